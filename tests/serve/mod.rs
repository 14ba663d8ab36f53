//! `epitaph serve`, asked by the programs that people ask it with: curl, wget, browsers' requests, debuggers, and
//! `epitaph pull`.

mod debuggers;
mod desk;
mod hostile;
mod load;
mod pages;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{epitaph, files, folder, plain_environment, program};

/// A token that a shell, a URL and a header take as it is.
const TOKEN: &str = "0123456789abcdef-serve";

/// A server that runs until it is dropped.
struct Serving {
    child: Child,
    /// Where it is, without a slash at its end.
    url: String,
}

impl Serving {
    /// Serves a store or a folder on a free port.
    fn start(shown: &Path, variables: &[(&str, &str)]) -> Serving {
        let mut command = Command::new(program());
        plain_environment(&mut command).args(["serve", "--listen=127.0.0.1:0"]).arg(shown);
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim_end().strip_suffix('/').expect("the address of the first page").to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        Serving { child, url }
    }

    /// Asks for a path with curl, and returns what that printed.
    fn curl(&self, options: &[&str], path: &str) -> String {
        let mut command = Command::new("curl");
        plain_environment(&mut command).args(["-sS", "--path-as-is", "--max-time", "60"]).args(options);
        let output = command.arg(format!("{}{path}", self.url)).output().unwrap();
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The status of an answer.
    fn status(&self, options: &[&str], path: &str) -> String {
        self.curl(&[&["-o", "/dev/null", "-w", "%{http_code}"], options].concat(), path)
    }

    /// The most memory that it ever had, in bytes.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Ends it by a signal, and returns its exit code and how long that took.
    fn end(mut self, signal: &str) -> (Option<i32>, Duration) {
        let started = Instant::now();
        let sent = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
        (self.child.wait().unwrap().code(), started.elapsed())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pushes a folder as the artifacts of CircleCI's job 42 of acme/app, from a node.
fn push(source: &Path, store: &Path, node: &str) {
    epitaph()
        .args(["push", "--destination=out"])
        .arg(source)
        .arg(store)
        .env("CIRCLECI", "true")
        .env("CIRCLE_PROJECT_USERNAME", "acme")
        .env("CIRCLE_PROJECT_REPONAME", "app")
        .env("CIRCLE_BUILD_NUM", "42")
        .env("CIRCLE_NODE_INDEX", node)
        .run()
        .code(0);
}

/// Runs a shell script in a folder, with the server's address as `$URL`.
fn sh(script: &str, within: &Path, serving: &Serving) {
    let mut command = Command::new("sh");
    plain_environment(&mut command).args(["-euc", script]).current_dir(within);
    let output = command.env("URL", &serving.url).env("CIRCLE_TOKEN", TOKEN).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// The contents of a folder's files, sorted.
fn contents(folder: &Path) -> Vec<Vec<u8>> {
    let mut contents: Vec<_> = files(folder).into_values().collect();
    contents.sort();
    contents
}

/// Where CircleCI's API would list the job that [`push`] makes.
const LIST: &str = "/api/v1.1/project/github/acme/app/42/artifacts";

/// A job with names that shells and URLs know, from two nodes.
fn job() -> (tempfile::TempDir, tempfile::TempDir) {
    let (source, store) = (folder(), folder());
    std::fs::create_dir(source.path().join("sub")).unwrap();
    for (name, content) in
        [("core.17", "of 17"), ("a file", "spaced"), ("it's 50%25 \"quoted\"&", "odd"), ("sub/ünïcode", "")]
    {
        std::fs::write(source.path().join(name), content).unwrap();
    }
    push(source.path(), store.path(), "0");
    (source, store)
}

#[test]
fn the_seeds_commands_download_a_job() {
    epitaph_testkit::need_tool!("curl", "wget");
    let (source, store) = job();
    let serving = Serving::start(store.path(), &[("EPITAPH_SERVE_TOKEN", TOKEN)]);
    // As CircleCI's documentation has had them for years, but for scheme and host.
    let by_query = folder();
    sh(
        &format!(
            "curl -s $URL{LIST}?circle-token=$CIRCLE_TOKEN | grep -o 'http://[^\"]*' > artifacts.txt
             mkdir in && cd in
             <../artifacts.txt xargs -P4 -I % wget -q %?circle-token=$CIRCLE_TOKEN"
        ),
        by_query.path(),
        &serving,
    );
    assert_eq!(contents(&by_query.path().join("in")), contents(source.path()));
    let by_header = folder();
    sh(
        &format!(
            "curl -s -H \"Circle-Token: $CIRCLE_TOKEN\" $URL{LIST} | grep -o 'https\\?://[^\"]*' |
             xargs -P4 -n1 wget -q --header \"Circle-Token: $CIRCLE_TOKEN\""
        ),
        by_header.path(),
        &serving,
    );
    let names: Vec<String> = files(by_header.path()).into_keys().collect();
    assert_eq!(contents(by_header.path()), contents(source.path()), "{names:?}");
    assert!(names.contains(&"core.17".to_owned()), "{names:?}");
}

#[test]
fn pull_takes_it_for_circleci() {
    let (source, store) = job();
    push(source.path(), store.path(), "1");
    let serving = Serving::start(store.path(), &[("EPITAPH_SERVE_TOKEN", TOKEN)]);
    let target = folder();
    let pull = |token: &str| {
        let pull = epitaph().env("EPITAPH_CIRCLECI_URL", &serving.url).env("CIRCLE_TOKEN", token);
        pull.args(["pull", "circleci://github/acme/app/42"]).arg(target.path()).run().hides(&[token])
    };
    pull("not-the-right-one").code(1).tells(&["answered 401", "hint: "]);
    pull(TOKEN).code(0).tells(&["8 files copied", "0 failed"]);
    for node in ["0", "1"] {
        assert!(files(&target.path().join(node).join("out")) == files(source.path()), "node {node}");
    }
}

#[test]
fn lists_have_the_shape_of_circlecis() {
    epitaph_testkit::need_tool!("curl");
    let (source, store) = job();
    let serving = Serving::start(store.path(), &[]);
    let json = |path: &str| serde_json::from_str::<serde_json::Value>(&serving.curl(&[], path)).unwrap();
    let list = json(LIST);
    let first = &list[0];
    assert_eq!(
        (&first["path"], &first["pretty_path"], &first["node_index"]),
        (&"out/a file".into(), &"out/a file".into(), &0.into())
    );
    let url = first["url"].as_str().unwrap();
    assert_eq!(url, format!("{}/artifacts/circleci/acme%2Fapp/42/0/out/a%20file", serving.url));
    assert_eq!(list.as_array().unwrap().len(), files(source.path()).len());
    for latest in ["", "?filter=completed", "?branch=&filter=successful"] {
        assert_eq!(
            json(&format!("/api/v1.1/project/gh/acme/app/latest/artifacts{latest}")),
            list,
            "{latest}"
        );
    }
    let v2 = json("/api/v2/project/gh/acme/app/42/artifacts");
    assert_eq!((&v2["items"][0]["url"], &v2["next_page_token"]), (&list[0]["url"], &serde_json::Value::Null));
    assert!(v2["items"][0].get("pretty_path").is_none());
    for missing in [
        "/api/v1.1/project/github/acme/app/43/artifacts",
        "/api/v1.1/project/gitlab/acme/app/42/artifacts",
        "/api/v1.1/project/github/acme/app/latest/artifacts?filter=failed",
        "/api/v2/project/gh/acme/other/42/artifacts",
    ] {
        assert_eq!(serving.status(&[], missing), "404", "{missing}");
        assert!(json(missing)["message"].is_string(), "{missing}");
    }
    let branch = "/api/v1.1/project/gh/acme/app/latest/artifacts?branch=main";
    assert_eq!(
        serving.status(&[], branch),
        "400",
        "a store knows nothing of branches, and doesn't pretend to"
    );
}

#[test]
fn a_long_list_has_pages() {
    epitaph_testkit::need_tool!("curl");
    let (source, store) = (folder(), folder());
    for number in 0..600 {
        std::fs::write(source.path().join(format!("{number:03}")), "same").unwrap();
    }
    push(source.path(), store.path(), "0");
    let serving = Serving::start(store.path(), &[]);
    let (mut paths, mut token) = (Vec::new(), String::new());
    loop {
        let page = serving.curl(&[], &format!("/api/v2/project/gh/acme/app/42/artifacts?page-token={token}"));
        let page: serde_json::Value = serde_json::from_str(&page).unwrap();
        paths.extend(page["items"].as_array().unwrap().iter().map(|item| item["path"].to_string()));
        let Some(next) = page["next_page_token"].as_str() else { break };
        next.clone_into(&mut token);
    }
    let expected: Vec<String> = (0..600).map(|number| format!("\"out/{number:03}\"")).collect();
    assert_eq!(paths, expected);
}

#[test]
fn it_ends_when_it_is_told_to() {
    let (_source, store) = job();
    for signal in ["-TERM", "-INT"] {
        let (code, took) = Serving::start(store.path(), &[]).end(signal);
        assert_eq!(code, Some(0), "{signal}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn what_keeps_it_from_starting_is_told() {
    let store = folder();
    let serve = |arguments: &[&str], shown: &Path| epitaph().arg("serve").args(arguments).arg(shown).run();
    let missing = store.path().join("missing");
    serve(&["--listen=127.0.0.1:0"], &missing).code(1).tells(&[
        "error: can't read ",
        "missing",
        "hint: give a store",
    ]);
    let open = serve(&["--listen=0.0.0.0:0"], store.path()).code(1);
    open.tells(&["can be reached from other machines", "hint: set EPITAPH_SERVE_TOKEN"]);
    let running = Serving::start(store.path(), &[]);
    let taken = running.url.strip_prefix("http://").unwrap();
    serve(&["--listen", taken], store.path())
        .code(1)
        .tells(&["can't listen on 127.0.0.1:", "hint: another program"]);
    serve(&["--listen=nonsense"], store.path()).code(1).tells(&["bad address `nonsense`", "hint: "]);
    serve(&["--host=http://x"], store.path()).code(1).tells(&["bad host name", "hint: "]);
    let file = store.path().join("token");
    std::fs::write(&file, "two words").unwrap();
    let token_file = format!("--token-file={}", file.display());
    serve(&[&token_file], store.path()).code(1).tells(&["the token in "]).hides(&["two words"]);
}
