//! A clock that is set while a command runs: its cores are its own, whatever time they have, and those of earlier commands
//! are not.

use std::fs::{self, File};
use std::process::Command;
use std::time::{Duration, SystemTime};

use epitaph_testkit::crash::{Built, CoresHere, or_skip, program};
use serde_json::Value;

use crate::fixtures::{place_core, sealed};
use crate::preload::Preload;
use crate::support::{epitaph, epitaph_alone, folder};

/// By how much the clock is set, in seconds.
const STEP: u64 = 3600;
/// How long before the command another one left a core.
const BEFORE: Duration = Duration::from_secs(100);
/// A process, and a session, of no command of ours.
const STRANGER: u32 = 4_000_000;

#[test]
fn a_clock_that_is_set_loses_no_core_and_brings_none_of_earlier_commands() {
    let Some(preload) = Preload::of("set_clock") else { return };
    let Some(built) = or_skip(Built::of(program("null_deref"))) else { return };
    let Some(here) = or_skip(CoresHere::acquire()) else { return };
    // The kernel's clock, by which files get their times, is the one that is right.
    for (ahead, what) in [(STEP as i64, "set back"), (-(STEP as i64), "set forward"), (0, "left alone")] {
        let folder = folder();
        let work = folder.path().join("work");
        let exe = folder.path().join("exe");
        let earlier = work.join(format!("core.{STRANGER}"));
        place_core(&earlier, STRANGER);
        // The job may not see the system's temporary files.
        assert!(Command::new("cp").arg(&built.exe).arg(&exe).status().unwrap().success());
        let now = SystemTime::now() - BEFORE;
        let told_then = if ahead < 0 { now - Duration::from_secs(STEP) } else { now };
        let told_then = if ahead > 0 { told_then + Duration::from_secs(STEP) } else { told_then };
        File::options().write(true).open(&earlier).unwrap().set_modified(told_then).unwrap();

        fs::write(preload.file(), ahead.to_string()).unwrap();
        let run = epitaph_alone().unwrap_or_else(epitaph).within(&work);
        let run = run.env("LD_PRELOAD", preload.path()).env("CLOCK_AHEAD", preload.file());
        let script = r#"echo 0 >"$CLOCK_AHEAD"; "$0"; exit 3"#;
        let run = run.args(["run", "--capture", "file", "--out", "../out", "--", "sh", "-c", script]);
        let answer = run.arg(&exe).run().code(3);

        let crashes = sealed(&folder.path().join("out"));
        let pid = |crash: &Value| crash["process"]["pid"].as_u64().unwrap();
        let names = |crash: &&Value| crash["process"]["name"] == "exe";
        assert_eq!(crashes.values().filter(names).count(), 1, "{what}: {answer}");
        assert!(crashes.values().all(|crash| pid(crash) != u64::from(STRANGER)), "{what}: {answer}");
        let told = answer.stderr().contains("the clock was set back by 3600.0 s while the command ran");
        assert_eq!(told, ahead > 0, "{what}: {answer}");
    }
    drop(here);
}
