//! The stand-in for GitHub's API is asked by GitHub's own client for artifacts, and judged by GitHub's published description
//! of that API; what that client uploads is pulled. Those are packages of npm, so these are long tests.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use epitaph_store::{NoProgress, Selection, Store};
use epitaph_testkit::server::{Reply, Request, Server};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::github::{
    TOKEN, archive, artifact, asked_archive, attempt, options, page, run, sha256, storage, store,
};
use crate::support::peers::Peer;
use crate::support::{texts, tree, write};

/// What the client is told of a server, and of who asks.
fn variables(server: &Server) -> [(&'static str, String); 2] {
    [("GITHUB_API_URL", format!("{}/api/v3", server.url())), ("GITHUB_TOKEN", TOKEN.to_owned())]
}

fn ask(peer: &Peer, server: &Server, arguments: &[&str]) -> Value {
    let variables = variables(server);
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    peer.ask(&variables, arguments)
}

#[test]
fn github_s_own_client_understands_the_stand_in() {
    let Some(peer) = Peer::github() else { return };
    let one = archive(&[("crashes/x/summary.json", b"{}"), ("a b/core.4711", b"core"), ("empty", b"")]);
    let signed = storage(vec![one.clone()]);
    // More than a page of them.
    let names: Vec<String> = (0..130).map(|index| format!("shard {index:03}")).collect();
    let all = names.iter().enumerate().map(|(id, name)| artifact(id as u64, name, &one)).collect();
    let server = run(all, &signed);
    let listed = ask(&peer, &server, &["list", "acme", "app", "77"]);
    let listed = listed.as_array().unwrap();
    let told = |artifact: &Value| artifact["name"].as_str().unwrap().to_owned();
    assert_eq!(listed.iter().map(told).collect::<Vec<_>>(), names);
    assert_eq!(listed[0]["digest"], json!(format!("sha256:{}", sha256(&one))));

    // Both unpack the same files.
    let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = theirs.path().to_str().unwrap();
    assert_eq!(ask(&peer, &server, &["download", "acme", "app", "0", folder])["digestMismatch"], false);
    let node = Selection { node: Some(names[0].clone()), ..Selection::default() };
    store(&server.url()).pull(ours.path(), &node, &NoProgress).unwrap();
    let unpacked = texts(theirs.path());
    assert_eq!(unpacked.len(), 3);
    let ours = texts(&ours.path().join(&names[0]));
    assert_eq!(unpacked, ours);
}

#[test]
fn the_stand_in_and_our_requests_are_those_of_github_s_description() {
    let Some(peer) = Peer::github() else { return };
    let one = archive(&[("f", b"x")]);
    let mut old = artifact(1, "old", &one);
    old["digest"] = Value::Null;
    old["expired"] = json!(true);
    let all = vec![artifact(0, "logs", &one), old];
    let signed = storage(vec![one]);
    let server = run(all.clone(), &signed);
    for url in ["github://acme/app/runs/77", "github://acme/app/runs/77/attempts/1"] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_with(url, &options(&server.url())).unwrap();
        store.ls(&Selection::default()).unwrap();
        store.pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    }
    let answered = |request: &Request| -> Value {
        let (status, body, partly) = if asked_archive(request).is_some() {
            (302, None, false)
        } else if request.path.ends_with("/attempts/1") {
            (200, Some(parsed(&attempt("2026-11-22T09:00:00Z"))), true)
        } else if request.path.contains("/attempts/") {
            (404, None, false)
        } else {
            (200, Some(parsed(&page(request, &all))), false)
        };
        let mut asked =
            json!({ "method": request.method, "url": request.path, "status": status, "partly": partly });
        if let Some(body) = body {
            asked["body"] = body;
        }
        asked
    };
    let mut asked: Vec<Value> = server.requests().iter().map(answered).collect();
    assert!(asked.len() > 6, "{asked:?}");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("asked.json");
    let judge = |asked: &[Value]| -> Vec<String> {
        write(&file, json!(asked).to_string());
        let problems = ask(&peer, &server, &["judge", file.to_str().unwrap()]);
        serde_json::from_value(problems).unwrap()
    };
    assert_eq!(judge(&asked), [""; 0]);
    // It is really judged.
    asked.truncate(1);
    asked[0]["body"]["artifacts"][0]["id"] = json!("0");
    asked.push(json!({ "method": "GET", "url": "/api/v3/repos/a/b/actions/runs/7/artifact", "status": 200 }));
    asked.push(json!({
        "method": "GET", "url": "/api/v3/repos/a/b/actions/runs/7/artifacts?pages=1", "status": 200,
    }));
    asked.push(json!({
        "method": "GET", "url": "/api/v3/repos/a/b/actions/runs/7/attempts/1", "status": 200, "partly": true,
        "body": { "id": 7, "started": "2026-11-22T09:00:00Z" },
    }));
    let problems = judge(&asked);
    assert_eq!(problems.len(), 4, "{problems:?}");
}

fn parsed(reply: &Reply) -> Value {
    serde_json::from_slice(reply.body()).unwrap()
}

/// What has arrived of an upload.
#[derive(Debug, Default)]
struct Upload {
    blocks: Vec<(String, Vec<u8>)>,
    archive: Vec<u8>,
    finalized: Value,
}

/// The service that jobs upload artifacts to, and the storage behind it: what GitHub's client says to them is recorded
/// nowhere else. Blocks are put together in the order of the list that ends an upload ("Put Block List" of Azure).
fn results(upload: &Arc<Mutex<Upload>>) -> Server {
    let upload = Arc::clone(upload);
    Server::start(move |request: &Request| {
        let mut upload = upload.lock().unwrap();
        let here = request.header("host").unwrap();
        let json = |body: Value| Reply::new(200, body.to_string()).header("Content-Type", "application/json");
        let method = request.path.rsplit('/').next().unwrap();
        let parameter = |name: &str| {
            let query = request.path.split_once('?').map_or("", |(_, query)| query);
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        match (method, parameter("comp").as_deref()) {
            ("CreateArtifact", _) => {
                json(json!({ "ok": true, "signed_upload_url": format!("http://{here}/account/blob?sig=1") }))
            }
            ("FinalizeArtifact", _) => {
                upload.finalized = serde_json::from_slice(&request.body).unwrap();
                json(json!({ "ok": true, "artifact_id": "5" }))
            }
            (_, Some("block")) => {
                let id =
                    parameter("blockid").unwrap().replace("%3D", "=").replace("%2B", "+").replace("%2F", "/");
                upload.blocks.push((id, request.body.clone()));
                Reply::new(201, "")
            }
            (_, Some("blocklist")) => {
                let list = String::from_utf8(request.body.clone()).unwrap();
                let ids = list.split("<Latest>").skip(1).map(|rest| rest.split('<').next().unwrap());
                let block = |id: &str| &upload.blocks.iter().find(|(known, _)| known == id).unwrap().1;
                upload.archive = ids.flat_map(block).copied().collect();
                Reply::new(201, "")
            }
            _ => Reply::new(404, ""),
        }
    })
}

#[test]
fn what_github_s_own_client_uploads_is_pulled() {
    let Some(peer) = Peer::github() else { return };
    let folder = tempfile::tempdir().unwrap();
    // Longer than a block, and hard to compress.
    let core: Vec<u8> = (0..300_000_u32).flat_map(|index| Sha256::digest(index.to_le_bytes())).collect();
    for (path, content) in [
        ("crashes/x/core.zst", core.as_slice()),
        ("crashes/x/summary.json", b"{}\n"),
        ("a b/\u{e4}\u{1f980}", b"name"),
        ("empty", b""),
    ] {
        write(&folder.path().join(path), content);
    }
    let upload = Arc::new(Mutex::new(Upload::default()));
    let service = results(&upload);
    let claims = URL_SAFE_NO_PAD.encode(json!({ "scp": "Actions.Results:77:6" }).to_string());
    let uploaded = peer.ask(
        &[("ACTIONS_RESULTS_URL", &service.url()), ("ACTIONS_RUNTIME_TOKEN", &format!("e30.{claims}.sig"))],
        &["upload", "crashes-linux", folder.path().to_str().unwrap()],
    );
    let upload = upload.lock().unwrap();
    assert_eq!(upload.finalized["hash"], json!(format!("sha256:{}", sha256(&upload.archive))), "{uploaded}");
    assert!(upload.blocks.len() > 1, "{} blocks", upload.blocks.len());

    let signed = storage(vec![upload.archive.clone()]);
    let server = run(vec![artifact(0, "crashes-linux", &upload.archive)], &signed);
    let desk = tempfile::tempdir().unwrap();
    let pulled = store(&server.url()).pull(desk.path(), &Selection::default(), &NoProgress).unwrap();
    assert!(pulled.failed.is_empty(), "{:?}", pulled.failed);
    assert!(tree(&desk.path().join("crashes-linux")) == tree(folder.path()));
}
