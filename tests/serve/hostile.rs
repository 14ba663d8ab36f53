//! Names and contents that mean harm.

use std::fs;
use std::path::Path;

use epitaph_testkit::need_tool;
use serde_json::{Value, json};

use super::{LIST, Serving, push};
use crate::support::{files, folder};

/// Changes the only manifest of a store.
fn rewrite(store: &Path, change: impl FnOnce(&mut Value)) {
    let manifest = files(store).into_keys().find(|name| name.starts_with("runs/")).unwrap();
    let path = store.join(manifest);
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

/// A store whose only job has one content under all of these names.
fn named(names: &[&str]) -> (tempfile::TempDir, tempfile::TempDir) {
    let (source, store) = (folder(), folder());
    fs::write(source.path().join("x"), "content").unwrap();
    push(source.path(), store.path(), "0");
    rewrite(store.path(), |manifest| {
        let entry = manifest["artifacts"][0].clone();
        let artifact = |name: &&str| {
            let mut entry = entry.clone();
            entry["path"] = json!(name);
            entry
        };
        manifest["artifacts"] = names.iter().map(artifact).collect();
    });
    (source, store)
}

const HARMLESS: [&str; 6] = [
    "%2e%2e/%2e%2e/x",
    "<script>alert(1)</script>",
    "a\n::error::b",
    "\"><img src=x onerror=y>",
    "'; rm -rf .; '",
    "\u{202e}gpj.\u{1b}[2J",
];

const UNUSABLE: [&str; 6] =
    ["../../etc/passwd", "/etc/passwd", "a/../../b", "https://evil.example/x", "a//b", "."];

#[test]
fn hostile_names_neither_act_nor_escape() {
    need_tool!("curl", "wget");
    let (_source, store) = named(&[HARMLESS.as_slice(), &UNUSABLE].concat());
    let serving = Serving::start(store.path(), &[]);
    let list = serving.curl(&[], LIST);
    let items: Vec<Value> = serde_json::from_str(&list).unwrap();
    assert_eq!(items.len(), HARMLESS.len(), "{list}");
    for item in &items {
        let url = item["url"].as_str().unwrap();
        let inert = |c: char| c.is_ascii_alphanumeric() || "%-._~/:".contains(c);
        assert!(url.starts_with(&serving.url) && url.chars().all(inert), "{url}");
        assert_eq!(serving.curl(&[], url.strip_prefix(&serving.url).unwrap()), "content", "{url}");
    }
    let page = serving.curl(&[], "/jobs/circleci/acme%2Fapp/42");
    assert!(page.contains("&lt;script&gt;") && page.contains("Not served: 6"), "{page}");
    for bad in ["<script", "<img", "\u{1b}", "\u{202e}", "href=\"https:", "href=\"/etc", "\n::error"] {
        assert!(!page.contains(bad), "{bad}: {page}");
    }
    // What wget makes of the list stays in its folder.
    let target = folder();
    fs::create_dir(target.path().join("in")).unwrap();
    super::sh(
        &format!("curl -s $URL{LIST} | grep -o 'https\\?://[^\"]*' | xargs -P4 -n1 wget -q"),
        &target.path().join("in"),
        &serving,
    );
    assert!(files(target.path()).keys().all(|name| name.starts_with("in/")));
    assert_eq!(files(target.path()).len(), HARMLESS.len());
}

#[test]
fn no_path_leads_out() {
    need_tool!("curl");
    let (source, store) = named(&["a/x"]);
    fs::write(store.path().join("secret"), "secret").unwrap();
    for shown in [store.path(), source.path()] {
        let serving = Serving::start(shown, &[]);
        let job = if shown == source.path() {
            format!("/artifacts/local/local/{}/0", source.path().file_name().unwrap().display())
        } else {
            "/artifacts/circleci/acme%2Fapp/42/0".to_owned()
        };
        for path in [
            "/../secret",
            "/secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "/a/%2e%2e/%2e%2e/%2e%2e/secret",
            "//etc/passwd",
            "/%2fetc%2fpasswd",
            "/a/x%00",
            "/%ff",
            "/",
            "",
        ] {
            let status = serving.status(&[], &format!("{job}{path}"));
            assert!(["400", "404"].contains(&status.as_str()), "{path}: {status}");
        }
        for path in [
            "/buildid/../secret",
            "/buildid/%2e%2e%2fsecret/executable",
            "/buildid/aa/source/etc/passwd",
            "/buildid//executable",
            "/buildid/aa/section/.text",
        ] {
            assert_eq!(serving.status(&[], path), "404", "{path}");
        }
    }
}

#[test]
fn damage_is_never_taken_for_a_whole_file() {
    need_tool!("curl");
    let (source, store) = (folder(), folder());
    fs::write(source.path().join("x"), "a".repeat(1 << 20)).unwrap();
    push(source.path(), store.path(), "0");
    let blob = files(store.path()).into_keys().find(|name| name.starts_with("blobs/")).unwrap();
    let blob = store.path().join(blob);
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "b".repeat(1 << 20)).unwrap();
    let serving = Serving::start(store.path(), &[]);
    let target = folder();
    let url = format!("{}/artifacts/circleci/acme%2Fapp/42/0/out/x", serving.url);
    let curl = |url: &str| {
        let mut command = std::process::Command::new("curl");
        command.args(["-sf", "-o"]).arg(target.path().join("x")).arg(url).status().unwrap().success()
    };
    assert!(!curl(&url), "the sum is wrong");
    fs::write(&blob, "short").unwrap();
    assert!(!curl(&url), "the length is wrong");
    fs::remove_file(&blob).unwrap();
    assert!(!curl(&url), "it is gone");
    assert_eq!(serving.status(&[], "/"), "200", "the server goes on");
}

#[test]
fn pages_of_artifacts_have_no_rights() {
    need_tool!("curl");
    let out = folder();
    fs::write(out.path().join("index.html"), "<script>alert(1)</script>").unwrap();
    fs::write(out.path().join("evil.svg"), "<svg onload='alert(1)'/>").unwrap();
    fs::create_dir_all(out.path().join("crashes/x")).unwrap();
    fs::write(out.path().join("crashes/x/summary.json"), "{\"schema\":1").unwrap();
    let serving = Serving::start(out.path(), &[]);
    let job = format!("/artifacts/local/local/{}/0", out.path().file_name().unwrap().display());
    let page = serving.curl(&["-I"], &format!("{job}/index.html"));
    assert!(page.contains("content-security-policy: sandbox; default-src 'none'"), "{page}");
    assert!(!page.contains("allow-") && page.contains("text/html"), "{page}");
    let image = serving.curl(&["-I"], &format!("{job}/evil.svg"));
    assert!(image.contains("application/octet-stream") && image.contains("attachment"), "{image}");
    // A summary that is none doesn't keep the page from being shown.
    let page = serving.curl(&[], &job.replace("/artifacts", "/jobs").replace("/0", ""));
    assert!(page.contains("summary can&#39;t be read") || page.contains("summary can't be read"), "{page}");
    assert!(page.contains("Report: "), "{page}");
}
