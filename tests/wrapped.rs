//! Cores in wrappers and in the stores of other collectors: shown, found, kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use epitaph_testkit::need_tool;

use crate::fixtures::{only_sealed, place_core, sealed, small_core};
use crate::support::{epitaph, folder};

const BOOT: &str = "0123456789abcdef0123456789abcdef";

/// Gives `input` to a command's standard input and returns what it prints.
fn piped(command: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &input).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{command:?}");
    output.stdout
}

/// A report of a crash as apport writes it to `/var/crash`.
fn report(core: &[u8]) -> Vec<u8> {
    let encoded = piped(&["base64", "-w", "1000"], &piped(&["gzip", "-c"], core));
    let mut report = b"ProblemType: Crash\nExecutablePath: /usr/bin/crasher\nPackage: crasher 1.0\n\
        ProcCmdline: ./crasher --token=geheim\nSignal: 11\nCoreDump: base64\n"
        .to_vec();
    for line in encoded.split_inclusive(|byte| *byte == b'\n') {
        report.extend([b" ", line].concat());
    }
    report
}

/// A folder with a core in each store, of processes 1, 2 and 3.
fn stores(root: &Path) -> [PathBuf; 3] {
    let core = |pid| small_core(pid, "crasher").to_vec();
    let systemd = root.join(format!("core.crasher.1000.{BOOT}.1.1700000000000000"));
    fs::write(&systemd, core(1)).unwrap();
    let apport = root.join("_usr_bin_crasher.1000.crash");
    fs::write(&apport, report(&core(2))).unwrap();
    let problem = root.join("ccpp-2026-01-01-3");
    fs::create_dir(&problem).unwrap();
    for (item, value) in [("type", "CCpp"), ("reason", "crasher killed by SIGSEGV"), ("hostname", "build7")] {
        fs::write(problem.join(item), value).unwrap();
    }
    let abrt = problem.join("coredump.gz");
    fs::write(&abrt, piped(&["gzip", "-c"], &core(3))).unwrap();
    [systemd, apport, abrt]
}

#[test]
fn stores_of_other_collectors_are_shown_and_what_they_say_is_told() {
    need_tool!("gzip", "base64");
    let root = folder();
    let [systemd, apport, abrt] = stores(root.path());
    for (path, pid, collector) in
        [(&systemd, 1, "systemd-coredump"), (&apport, 2, "apport"), (&abrt, 3, "abrt")]
    {
        let summary = epitaph().args(["show", "--json"]).arg(path).run().code(0).json();
        assert_eq!(summary["process"]["pid"], pid);
        assert_eq!(summary["collection"]["collector"], collector);
        // What the core says goes first.
        assert_eq!(summary["process"]["command_line"], "./crasher", "{collector}");
    }
    let all = epitaph().args(["show", "--json"]).arg(root.path()).run().code(0).json_lines();
    assert_eq!(all.len(), 3);
    let summary = epitaph().args(["show", "--json"]).arg(&systemd).run().json();
    assert_eq!(summary["time"], "2023-11-14T22:13:20Z");
}

#[test]
fn stores_of_other_collectors_are_collected_once() {
    need_tool!("gzip", "base64");
    let (root, out) = (folder(), folder());
    let [_, apport, _] = stores(root.path());
    let collect = || epitaph().args(["collect", "--remove", "--out"]).arg(out.path()).arg(root.path());
    let answer = collect().run().code(0);
    let kept = sealed(out.path());
    let mut collectors: Vec<&str> =
        kept.values().map(|summary| summary["collection"]["collector"].as_str().unwrap()).collect();
    collectors.sort_unstable();
    assert_eq!(collectors, ["abrt", "apport", "systemd-coredump"], "{answer}");
    let facts = kept.values().map(|summary| &summary["collection"]["collector_facts"]);
    assert!(facts.into_iter().any(|facts| facts["reason"] == "crasher killed by SIGSEGV"));
    // A report tells more than its core, and stays.
    assert!(apport.exists());
    answer.tells(&["it holds more than the core"]);
    collect().run().code(0).tells(&["0 new, 1 known, 0 failed"]);
}

#[test]
fn compressed_cores_are_found_in_a_job_and_what_was_collected_is_not() {
    need_tool!("gzip");
    let job = folder();
    place_core(&job.path().join("core.4711"), 4711);
    let plain = fs::read(job.path().join("core.4711")).unwrap();
    fs::write(job.path().join("core.4711.gz"), piped(&["gzip", "-c"], &plain)).unwrap();
    fs::remove_file(job.path().join("core.4711")).unwrap();
    fs::write(job.path().join("core.js.gz"), piped(&["gzip", "-c"], b"let core;")).unwrap();
    let out = job.path().join("epitaph-out");
    let collect = || epitaph().args(["collect", "--out"]).arg(&out).arg(job.path()).run().code(0);
    let answer = collect();
    let (id, summary) = only_sealed(&out);
    assert_eq!(summary["core"]["file"], format!("crashes/{id}/core.zst"), "{answer}");
    assert_eq!(summary["collection"]["name_fields"]["p"], "4711");
    collect().tells(&["0 new, 1 known, 0 failed"]);
}
