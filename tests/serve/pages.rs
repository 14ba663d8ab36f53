//! What a browser gets: pages, files whole and in part, and no more than it may have.

use std::process::Command;

use epitaph_testkit::crash::{Crash, program};
use epitaph_testkit::need_tool;

use super::{LIST, Serving, TOKEN, job};
use crate::support::{epitaph, folder};

const CORE: &str = "/artifacts/circleci/acme%2Fapp/42/0/out/core.17";

#[test]
fn a_jobs_page_tells_its_crashes_and_links_to_all_artifacts() {
    need_tool!("curl");
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let (out, store) = (folder(), folder());
    epitaph().arg("collect").arg("--out").arg(out.path()).arg(&crash.core).run().code(0);
    epitaph().args(["push", "--destination=out", "--job=7"]).arg(out.path()).arg(store.path()).run().code(0);
    let job_of_folder = format!("/jobs/local/local/{}", out.path().file_name().unwrap().display());
    for (shown, path, prefix) in
        [(store.path(), "/jobs/local/local/7", "out/"), (out.path(), job_of_folder.as_str(), "")]
    {
        let serving = Serving::start(shown, &[]);
        let jobs = serving.curl(&[], "/");
        assert!(jobs.contains(&format!("<a href=\"{path}\">")), "{jobs}");
        let page = serving.curl(&[], path);
        for text in ["Crashes: 1", " died of SIGSEGV: ", "in quantity_of at ", "signature <code>"] {
            assert!(page.contains(text), "{text}: {page}");
        }
        for name in ["manifest.json", "crashes.jsonl", "summary.md"] {
            assert!(page.contains(&format!(">{prefix}{name}</a>")), "{name}: {page}");
        }
        assert!(!page.contains("<script"), "{page}");
        // Every link leads somewhere.
        let links: Vec<&str> =
            page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(links.len() > 5);
        for link in links {
            assert_eq!(serving.status(&[], link), "200", "{link}");
        }
    }
}

#[test]
fn files_come_whole_in_part_or_not_at_all() {
    need_tool!("curl");
    let (_source, store) = job();
    let serving = Serving::start(store.path(), &[]);
    let headers = serving.curl(&["-I"], CORE);
    let tag = headers.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().trim().to_owned();
    let output = Command::new("sh").args(["-c", "printf 'of 17' | sha256sum"]).output().unwrap();
    assert!(output.stdout.starts_with(tag.trim_matches('"').as_bytes()), "{tag}");
    for header in [
        "HTTP/1.1 200 OK",
        "content-length: 5\r",
        "accept-ranges: bytes\r",
        "content-type: application/octet-stream\r",
        "content-disposition: attachment; filename=\"core.17\"",
        "x-content-type-options: nosniff\r",
        "content-security-policy: sandbox; default-src 'none'",
    ] {
        assert!(headers.contains(header), "{header}: {headers}");
    }
    assert_eq!(serving.curl(&[], CORE), "of 17");
    assert_eq!(serving.curl(&["-r", "3-"], CORE), "17");
    assert_eq!(serving.curl(&["-r", "-1"], CORE), "7");
    let part = serving.curl(&["-i", "-r", "1-2"], CORE);
    assert!(part.contains("HTTP/1.1 206") && part.contains("content-range: bytes 1-2/5"), "{part}");
    let beyond = serving.curl(&["-i", "-r", "5-"], CORE);
    assert!(beyond.contains("HTTP/1.1 416") && beyond.contains("content-range: bytes */5"), "{beyond}");
    let (had, other) = (format!("If-None-Match: {tag}"), "If-None-Match: \"other\"");
    assert_eq!(serving.status(&["-H", &had], CORE), "304");
    let unchanged = serving.curl(&["-i", "-H", &had], CORE);
    assert!(unchanged.contains("content-security-policy: sandbox; default-src 'none'"), "{unchanged}");
    assert_eq!(serving.status(&["-H", other], CORE), "200");
    let (same, changed) = (format!("If-Range: {tag}"), "If-Range: \"other\"");
    assert_eq!(serving.curl(&["-r", "3-", "-H", &same], CORE), "17");
    assert_eq!(serving.curl(&["-r", "3-", "-H", changed], CORE), "of 17");
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(serving.status(&["-X", method], CORE), "405", "{method}");
    }
    assert_eq!(serving.curl(&[], CORE), "of 17");
}

#[test]
fn the_token_is_asked_for_and_never_told() {
    need_tool!("curl");
    let (_source, store) = job();
    let serving = Serving::start(store.path(), &[("EPITAPH_SERVE_TOKEN", TOKEN)]);
    for path in ["/", "/jobs/circleci/acme%2Fapp/42", CORE, super::LIST, "/buildid/aa/executable", "/nothing"]
    {
        assert_eq!(serving.status(&[], path), "401", "{path}");
        assert_eq!(serving.status(&["-H", "Circle-Token: other"], path), "401", "{path}");
    }
    let (bearer, circle) = (format!("Authorization: Bearer {TOKEN}"), format!("Circle-Token: {TOKEN}"));
    let (user, query) = (format!("anybody:{TOKEN}"), format!("{CORE}?circle-token={TOKEN}"));
    for (options, path) in [
        (&["-H", &bearer][..], CORE),
        (&["-H", &circle], CORE),
        (&["-u", &user], CORE),
        (&[], query.as_str()),
    ] {
        assert_eq!(serving.curl(options, path), "of 17", "{options:?}");
    }
    for path in ["/", "/jobs/circleci/acme%2Fapp/42", super::LIST] {
        let answer = serving.curl(&["-i"], &format!("{path}?circle-token={TOKEN}"));
        assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains(TOKEN), "{answer}");
        assert!(answer.contains("referrer-policy: no-referrer"), "{answer}");
    }
}

#[test]
fn only_its_own_names_are_answered() {
    need_tool!("curl");
    let (_source, store) = job();
    let serving = Serving::start(store.path(), &[("EPITAPH_SERVE_HOST", "crashes.example,other.example")]);
    for (host, status) in [
        ("localhost", "200"),
        ("crashes.example:8080", "200"),
        ("other.example", "200"),
        ("evil.example", "421"),
        ("127.0.0.1.evil.example", "421"),
        ("", "400"),
    ] {
        assert_eq!(serving.status(&["-H", &format!("Host:{host}")], CORE), status, "{host}");
    }
}

#[test]
fn behind_a_proxy_lists_say_the_public_address() {
    need_tool!("curl");
    let (_source, store) = job();
    let forwarded = ["-H", "X-Forwarded-Proto: https", "-H", "X-Forwarded-Host: evil.example"];
    let forwarded = [&forwarded[..], &["-H", "Forwarded: host=evil.example;proto=https"]].concat();
    let v2 = LIST.replace("v1.1", "v2");
    // Anybody can write those headers, and nobody has said that a proxy stands there.
    let serving = Serving::start(store.path(), &[]);
    for list in [LIST, &v2] {
        let told = serving.curl(&forwarded, list);
        assert!(told.contains(&format!("\"{}/artifacts/", serving.url)), "{told}");
        assert!(!told.contains("evil.example") && !told.contains("https:"), "{told}");
    }
    let public = "https://crashes.example:8443";
    let serving = Serving::start(store.path(), &[("EPITAPH_PUBLIC_URL", "https://crashes.example:8443/")]);
    // Whether the proxy passes its own name on, or calls this server by its address.
    for host in ["Host: crashes.example:8443", "Host: crashes.example", "Host: 127.0.0.1"] {
        for list in [LIST, &v2] {
            let told = serving.curl(&[&forwarded[..], &["-H", host]].concat(), list);
            assert_eq!(told.matches(&format!("\"{public}/artifacts/")).count(), 4, "{host}: {told}");
            assert!(!told.contains("http://") && !told.contains("evil.example"), "{host}: {told}");
        }
    }
    assert_eq!(serving.status(&["-H", "Host: evil.example"], LIST), "421");
    let refused =
        epitaph().arg("serve").arg(store.path()).args(["--public-url", "https://h/below"]).run().code(1);
    refused.tells(&["error: bad public URL `https://h/below`", "hint: write https://NAME"]);
}
