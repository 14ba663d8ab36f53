//! Storms of crashes: what is kept is bounded, and what isn't is counted, listed, and left where it was.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::Value;

use crate::fixtures::{assert_consistent, place_core, sealed, set_age, small_core};
use crate::support::{Epitaph, alone_by, epitaph, files, folder, plain_environment, program, text};

/// `epitaph collect` of what lies in `job`, into `out`.
fn collect(job: &Path, out: &Path) -> Epitaph {
    epitaph().arg("collect").arg("--out").arg(out).arg(job)
}

/// So many cores of programs that die alike, and one of another, which came last.
fn storm(job: &Path, alike: u32) {
    for pid in 1..=alike {
        place_core(&job.join(format!("core.{pid}")), pid);
        set_age(&job.join(format!("core.{pid}")), std::time::Duration::from_secs(u64::from(1000 - pid)));
    }
    let other = job.join("core.99999");
    small_core(99_999, "other").write_to(&other).unwrap();
    set_age(&other, std::time::Duration::from_secs(1));
}

/// The list of what was not kept.
fn listed(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out.join("not-kept.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kept_pids(out: &Path) -> Vec<u64> {
    let mut pids: Vec<u64> =
        sealed(out).values().map(|summary| summary["process"]["pid"].as_u64().unwrap()).collect();
    pids.sort_unstable();
    pids
}

#[test]
fn the_first_of_each_signature_are_kept_and_the_others_listed() {
    let (job, out) = (folder(), folder());
    storm(job.path(), 8);
    let before = files(job.path());
    let answer = collect(job.path(), out.path()).args(["--max-per-signature", "3"]).run().code(0);
    assert_eq!(kept_pids(out.path()), [1, 2, 3, 99_999]);
    let answer = answer.tells(&["epitaph: 4 new, 0 known, 0 failed, 5 not kept; ", "not-kept.jsonl"]);
    let stdout = answer.stdout();
    assert_eq!(stdout.matches("crasher died of SIGSEGV").count(), 3, "{answer}");
    assert!(
        stdout.contains("5 more crashes were not kept, whose cores, if any, stay where they are:\n  5 x "),
        "{answer}"
    );
    assert!(
        stdout.contains(
            "only the first 3 with the same signature are kept (--max-per-signature) (pids 4, 5, 6, 7, 8)"
        ),
        "{answer}"
    );
    assert!(files(job.path()) == before, "the cores stay");

    let signature = &sealed(out.path()).into_values().next().unwrap()["signature"]["strict"];
    for (crash, pid) in listed(out.path()).iter().zip(4..) {
        assert_eq!(crash["schema"], "epitaph-crash/1");
        assert_eq!((&crash["process"]["pid"], &crash["signal"]["name"]), (&pid.into(), &"SIGSEGV".into()));
        assert_eq!(&crash["signature"]["strict"], signature);
        assert_eq!(crash["core"]["path"], text(job.path().join(format!("core.{pid}"))));
        assert_eq!(crash["warnings"][0]["code"], "beyond_max_per_signature");
    }
    assert!(
        fs::read_to_string(out.path().join("summary.md"))
            .unwrap()
            .contains("**5 more crashes were not kept**")
    );
    assert_consistent(out.path());
    // They are counted where crashes are counted.
    let groups = epitaph().args(["group", "--json"]).arg(out.path()).run().code(0).json();
    let counts: Vec<u64> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["buckets"].as_array().unwrap())
        .map(|bucket| bucket["count"].as_u64().unwrap())
        .collect();
    assert_eq!(counts.iter().sum::<u64>(), 9, "{groups:#}");

    // Collecting again changes nothing; without the limit, all are kept and the list goes.
    let before = files(out.path());
    collect(job.path(), out.path())
        .args(["--max-per-signature", "3"])
        .run()
        .code(0)
        .tells(&["0 new, 4 known, 0 failed, 5 not kept"]);
    assert!(files(out.path()) == before);
    collect(job.path(), out.path())
        .args(["--max-per-signature", "0"])
        .run()
        .code(0)
        .tells(&["5 new, 4 known"]);
    assert!(!out.path().join("not-kept.jsonl").exists());
    assert_consistent(out.path());
}

/// What earlier jobs left elsewhere is older than the job's own crash, and as young as `--max-age` allows.
#[test]
fn cores_from_elsewhere_do_not_push_out_the_jobs_own() {
    let script = r#"mount -t tmpfs none /tmp && mkdir /tmp/job /tmp/others && cp "$1"/core.* /tmp/others/ &&
        mv /tmp/others/core.99999 /tmp/job/ && touch -d '-1 hour' /tmp/others/core.* && cd /tmp/job &&
        exec "$0" collect --max-cores 3 --out "$2""#;
    let (job, out) = (folder(), folder());
    storm(job.path(), 5);
    let Some(mut command) = alone_by(script) else { return };
    command.arg(program()).args([job.path(), out.path()]);
    let answer = plain_environment(&mut command).output().unwrap();
    let stdout = String::from_utf8(answer.stdout).unwrap();
    assert!(
        stdout.starts_with("other died of SIGSEGV"),
        "{stdout}\n{}",
        String::from_utf8_lossy(&answer.stderr)
    );
    let kept = kept_pids(out.path());
    assert!(kept.len() == 3 && kept.contains(&99_999), "{kept:?}");
    assert_eq!(listed(out.path()).len(), 3);
}

#[test]
fn the_number_of_cores_their_bytes_and_the_time_are_limited() {
    let job = folder();
    storm(job.path(), 5);
    for (options, kept, listed_why, told) in [
        (["--max-cores", "2"], 2, Some("beyond_max_cores"), "(--max-cores)"),
        // Enough for one of them; of the others only the story is kept.
        (["--max-bytes", "1"], 6, None, "the core was not stored: "),
        (["--max-time", "1ns"], 0, Some("beyond_max_time"), "6 not kept"),
    ] {
        let out = folder();
        // What the limits leave out is no failure.
        let answer = collect(job.path(), out.path()).arg("--strict").args(options).run().code(0);
        assert_eq!(sealed(out.path()).len(), kept, "{answer}");
        assert!(answer.stdout().contains(told) || answer.stderr().contains(told), "{told}\n{answer}");
        let codes: Vec<Value> = if listed_why.is_some() {
            listed(out.path()).iter().map(|crash| crash["warnings"][0]["code"].clone()).collect()
        } else {
            Vec::new()
        };
        assert_eq!(codes.len(), 6 - kept);
        assert!(codes.iter().all(|code| Some(code.as_str().unwrap()) == listed_why), "{codes:?}");
        assert_consistent(out.path());
    }
    for (name, bytes) in files(job.path()) {
        assert!(bytes.starts_with(b"\x7fELF"), "{name} stays as it was");
    }
}

/// What can't be open at the same time is listed by name, and nothing is lost of the count.
#[test]
fn more_cores_than_files_can_be_open_are_counted() {
    let (job, out) = (folder(), folder());
    let cores = 140;
    storm(job.path(), cores - 1);
    let Some(mut command) = alone_by(r#"ulimit -n 256 && exec "$0" "$@""#) else {
        return epitaph_testkit::skip::skipped(
            "no folder of our own can be had here (root, or a user namespace)",
        );
    };
    plain_environment(&mut command)
        .arg(program())
        .arg("collect")
        .arg("--out")
        .arg(out.path())
        .arg(job.path());
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let listed = listed(out.path());
    assert_eq!(listed.len() + sealed(out.path()).len(), cores as usize, "{stderr}");
    let unread = listed.iter().filter(|crash| crash["warnings"][0]["code"] == "beyond_open_files").count();
    assert_eq!(unread, 12, "{stderr}");
    assert!(!stderr.contains("not complete"), "{stderr}");
}

/// Hundreds of cores: the time and the memory stay bounded, whatever is in them.
#[test]
fn a_storm_is_bounded_in_time_and_memory() {
    let (job, out) = (folder(), folder());
    storm(job.path(), 599);
    // Large ones, as far as their size goes: holes.
    for pid in 1..=599 {
        let core = fs::File::options().write(true).open(job.path().join(format!("core.{pid}"))).unwrap();
        core.write_at(&[1], 1 << 30).unwrap();
        core.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(60)).unwrap();
    }
    let started = std::time::Instant::now();
    // The limit on the address space would end it if memory grew with the number of cores.
    let collect = crate::support::epitaph_within(1 << 30).arg("collect").arg("--out").arg(out.path());
    let answer = collect.arg(job.path()).run().code(0);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    answer.tells(&["epitaph: 11 new, 0 known, 0 failed, 589 not kept"]);
    assert_eq!(listed(out.path()).len(), 589);
    assert_consistent(out.path());
}
