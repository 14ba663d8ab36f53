//! The stand-in for CircleCI is asked by CircleCI's own client, which checks every answer against its schemas: what it
//! understands, the service may well have said. The client is a package of the npm registry, so this is one of the long
//! tests.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use epitaph_testkit::skip::skipped;
use epitaph_testkit::tools;
use serde_json::{Value, json};

use crate::circle_server::{Artifact, PIPELINE, Server, TOKEN, WORKFLOW};
use crate::support::test_all;

/// CircleCI's client, in one version.
const PACKAGE: &str = "@circleci/mcp-server-circleci@0.20.0";

/// Installs the client, if it is not; `None` where that can't be done here.
fn client() -> Option<PathBuf> {
    if !test_all() {
        return None;
    }
    for tool in ["node", "npm"] {
        if !tools::have(tool) {
            skipped(&format!("CircleCI's own client: {tool} is not installed"));
            return None;
        }
    }
    let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("circleci-client");
    let program = prefix.join("node_modules/@circleci/mcp-server-circleci/dist/index.js");
    if !program.is_file() {
        let install = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"];
        let output = Command::new("npm").args(install).arg(&prefix).arg(PACKAGE).output().unwrap();
        if !output.status.success() {
            skipped("CircleCI's own client: npm cannot install it here");
            return None;
        }
    }
    Some(program)
}

/// Has the client list the artifacts of what a page shows: it speaks JSON-RPC, a line for each message.
fn list_artifacts(program: &Path, server: &Server, page: &str) -> String {
    let mut client = Command::new("node")
        .arg(program)
        .env("CIRCLECI_BASE_URL", server.url())
        .env("CIRCLECI_TOKEN", TOKEN)
        .env("DISABLE_TELEMETRY", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut requests = client.stdin.take().unwrap();
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "test", "version": "0" },
        },
    });
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let call = json!({
        "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "list_artifacts", "arguments": { "params": { "projectURL": page } },
        },
    });
    for message in [hello, ready, call] {
        writeln!(requests, "{message}").unwrap();
    }
    let answers = BufReader::new(client.stdout.take().unwrap()).lines();
    let answer = answers
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
        .find(|message| message["id"] == 2)
        .expect("the client answers");
    client.kill().unwrap();
    client.wait().unwrap();
    answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn circleci_s_own_client_understands_the_stand_in() {
    let Some(program) = client() else { return };
    let artifacts = ["a", "b", "c", "d", "e"].map(|path| Artifact::new(1, format!("crashes/{path}"), "x"));
    let server = Server::start(artifacts.to_vec());
    let page = format!("https://app.circleci.com/pipelines/gh/acme/app/{}/workflows/{WORKFLOW}", PIPELINE.0);
    for page in [format!("{page}/jobs/42"), page] {
        let told = list_artifacts(&program, &server, &page);
        for path in ["crashes/a", "crashes/c", "crashes/e"] {
            assert!(told.contains(path), "{page}: {told}");
        }
        assert!(
            told.contains(&format!("{}/1/crashes/e", server.url())) && told.contains("Node index: 1"),
            "{told}"
        );
    }
    // It was told by pages, and found its way from the pipeline to the job.
    let asked: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    for part in ["/artifacts?page-token=2", "/artifacts?page-token=4", "/pipeline/7", "/workflow", "/job"] {
        assert!(asked.iter().any(|path| path.contains(part)), "{part}: {asked:?}");
    }
}
