//! Many writers and one folder: nothing is lost, nothing is kept twice.

use std::fs;

use epitaph_testkit::crash::without_core_limit;
use epitaph_testkit::crash::{Built, CoresHere, or_skip, program};

use crate::fixtures::{assert_consistent, place_core, sealed};
use crate::support::{Running, epitaph, epitaph_alone, folder, plain_environment, text};

/// Writers at once.
const WRITERS: u32 = 8;

#[test]
fn eight_collects_of_the_same_cores() {
    let (job, out) = (folder(), folder());
    let cores = 12;
    for pid in 1..=cores {
        place_core(&job.path().join(format!("folder-{}/core.{pid}", pid % 3)), pid);
    }
    let collect = |_| {
        let collect = epitaph().args(["collect", "--max-per-signature", "0"]);
        collect.arg("--out").arg(out.path()).arg(job.path()).start()
    };
    let running: Vec<Running> = (0..WRITERS).map(collect).collect();
    let mut new = 0;
    for collect in running {
        let answer = collect.finish().code(0);
        assert_eq!(answer.stdout().matches("crasher died of SIGSEGV").count(), cores as usize, "{answer}");
        let told = answer.stderr();
        let counts =
            told.lines().find_map(|line| line.strip_prefix("epitaph: ")?.split_once(" new, ")).unwrap();
        new += counts.0.parse::<u32>().unwrap();
        assert!(counts.1.contains(" known, 0 failed"), "{answer}");
    }
    assert_eq!(new, cores, "each core is new to one of them");
    assert_eq!(sealed(out.path()).len(), cores as usize);
    assert_consistent(out.path());
}

#[test]
fn eight_collects_of_different_cores() {
    let (job, out) = (folder(), folder());
    let running: Vec<Running> = (1..=WRITERS)
        .map(|pid| {
            let core = job.path().join(format!("{pid}/core"));
            place_core(&core, pid);
            epitaph().arg("collect").arg("--out").arg(out.path()).arg(&core).start()
        })
        .collect();
    for collect in running {
        collect.finish().code(0).tells(&["epitaph: 1 new, 0 known, 0 failed"]);
    }
    assert_eq!(sealed(out.path()).len(), WRITERS as usize);
    assert_consistent(out.path());
}

#[test]
fn runs_and_collects_at_once_into_one_folder() {
    let Some(built) = or_skip(Built::of(program("dump"))) else { return };
    let Some(_here) = or_skip(CoresHere::acquire()) else { return };
    let job = folder();
    let (exe, out) = (job.path().join("dump"), job.path().join("out"));
    fs::copy(&built.exe, &exe).unwrap();
    // Four crashes that are there already, for the collects; the runs make four more meanwhile.
    let place = |name: String| {
        let place = job.path().join(name);
        fs::create_dir(&place).unwrap();
        place
    };
    for index in 0..4 {
        let mut dump = without_core_limit(&exe);
        plain_environment(&mut dump).current_dir(place(format!("before-{index}")));
        assert!(!dump.output().unwrap().status.success());
    }
    let running: Vec<(i32, Running)> = (0..WRITERS)
        .map(|index| {
            if index % 2 == 0 {
                let collect = epitaph().arg("collect").arg("--out").arg(&out);
                return (0, collect.arg(job.path()).start());
            }
            let run = epitaph_alone().unwrap_or_else(epitaph).within(place(format!("run-{index}")));
            (134, run.arg("run").arg("--out").arg(&out).arg("--").arg(&exe).start())
        })
        .collect();
    for (code, running) in running {
        running.finish().code(code).tells(&[" 0 failed"]);
    }
    let ours = |out: &std::path::Path| {
        let exe = text(&exe);
        sealed(out).into_values().filter(|summary| summary["process"]["executable"] == *exe).count()
    };
    assert_eq!(ours(&out), 8, "{:?}", sealed(&out).keys());
    assert_consistent(&out);
}
