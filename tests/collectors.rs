//! The real systemd-coredump, which the kernel gives cores to: `run` waits for it, finds what it kept, and says why it
//! kept nothing.
//!
//! It needs neither systemd as the first process nor any unit: `systemd-socket-activate` serves its socket, and a journald
//! of its own takes its log, both among mounts that nobody else sees.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use epitaph_testkit::crash::{Built, PatternGuard, or_skip, program};
use epitaph_testkit::skip::skipped;
use epitaph_testkit::tools;
use tempfile::TempDir;

use crate::fixtures::{assert_chain, assert_consistent, functions, only_sealed, sealed};
use crate::support::{
    alone_by, epitaph, folder, is_root, plain_environment, program as epitaph_program, text,
};

const HANDLER: &str = "/lib/systemd/systemd-coredump";
const JOURNALD: &str = "/lib/systemd/systemd-journald";
/// What the package of systemd-coredump sets.
const PATTERN: &str = "|/lib/systemd/systemd-coredump %P %u %g %s %t %c %h";
/// Where the handler that the kernel starts looks for the service.
const SOCKET: &str = "/run/systemd/coredump";

/// Starts both services among mounts of their own, runs the command that follows, and ends them. The folder of journald's
/// sockets is hidden, and that of the handler's is not.
const SERVE: &str = r#"
for hidden in /tmp /var/lib/systemd/coredump /run/systemd/journal /run/log /var/log/journal; do
    mkdir -p "$hidden" && mount -t tmpfs none "$hidden" || exit 99
done
log=$1; shift
[ ! -e "$log/coredump.conf" ] || mount --bind "$log/coredump.conf" /etc/systemd/coredump.conf || exit 97
/lib/systemd/systemd-journald >"$log/journald" 2>&1 &
journald=$!
systemd-socket-activate --accept --seqpacket -l /run/systemd/coredump /lib/systemd/systemd-coredump >"$log/served" 2>&1 &
served=$!
trap 'kill $journald $served; rm -f /run/systemd/coredump' EXIT
tries=0
until [ -S /run/systemd/coredump ] && [ -S /run/systemd/journal/socket ]; do
    tries=$((tries + 1)); [ $tries -lt 100 ] || exit 98
    sleep 0.05
done
"$@"
"#;

/// systemd-coredump at work, and the kernel's pattern leading to it.
struct Served {
    folder: TempDir,
    exe: PathBuf,
    _pattern: PatternGuard,
}

impl Served {
    /// Says why, and returns nothing, where it can't run.
    fn new() -> Option<Served> {
        let missing = [HANDLER, JOURNALD].into_iter().find(|path| !Path::new(path).exists());
        if let Some(missing) = missing {
            skipped(&format!("there is no {missing} (Debian's package systemd-coredump)"));
            return None;
        }
        if !is_root() || !tools::have("systemd-socket-activate") || Path::new(SOCKET).exists() {
            skipped(
                "systemd-coredump is served only by root, with systemd-socket-activate, where nobody serves it yet",
            );
            return None;
        }
        let built = or_skip(Built::of(program("null_deref")))?;
        let folder = folder();
        let exe = folder.path().join("exe");
        fs::copy(&built.exe, &exe).unwrap();
        match PatternGuard::set(PATTERN) {
            Ok(pattern) => Some(Served { folder, exe, _pattern: pattern }),
            Err(error) => {
                skipped(&format!("the core pattern can't be set: {error}"));
                None
            }
        }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// Runs a shell script while systemd-coredump is served; `$0` is epitaph, `$1` the output folder, `$2` the program.
    fn run(&self, script: &str) -> Option<Output> {
        let mut command = alone_by(SERVE)?;
        command.arg("sh").arg(self.folder.path()).args(["sh", "-c", script]);
        command.arg(epitaph_program()).arg(self.out()).arg(&self.exe).current_dir(self.folder.path());
        let output = plain_environment(&mut command).output().unwrap();
        // In a container, the kernel starts the handler outside of it.
        let log = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        if !log("served").contains("Connection from") {
            skipped(&format!(
                "the kernel's handler did not come to our systemd-coredump: {}",
                log("journald")
            ));
            return None;
        }
        Some(output)
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_core_that_systemd_keeps_is_waited_for_and_collected_once() {
    let Some(served) = Served::new() else { return };
    let script =
        r#""$0" run --capture file --out "$1" -- "$2"; status=$?; "$0" collect --out "$1" >&2; exit $status"#;
    let Some(output) = served.run(script) else { return };
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(139), "{told}");
    let (_, summary) = only_sealed(&served.out());
    assert_chain(&functions(&summary), &["quantity_of", "price_of", "main"]);
    assert_eq!(summary["process"]["executable"], text(&served.exe), "{told}");
    let collection = &summary["collection"];
    assert_eq!(collection["collector"], "systemd-coredump");
    assert_eq!(collection["source"], "store");
    assert_eq!(
        collection["collector_facts"]["hostname"],
        text(rustix::system::uname().nodename().to_string_lossy().as_ref())
    );
    assert!(told.contains("exe died of SIGSEGV: ") && told.contains("0 new, 1 known, 0 failed"), "{told}");
    assert_consistent(&served.out());
}

#[test]
fn what_systemd_says_of_a_core_that_it_did_not_keep_is_told() {
    let Some(served) = Served::new() else { return };
    let script = r#"ulimit -H -c 0; exec "$0" run --capture file --out "$1" -- "$2""#;
    let Some(output) = served.run(script) else { return };
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(139), "{told}");
    assert!(
        told.contains("systemd-coredump kept no core of process ") && told.contains("(store_limit)"),
        "{told}"
    );
}

/// Of `run`, and of `collect` as a step of its own; taken out twice, it is one crash.
#[test]
fn a_core_that_systemd_keeps_in_the_journal_is_taken_out_of_it() {
    if !Path::new("/etc/systemd/coredump.conf").exists() {
        return skipped("there is no /etc/systemd/coredump.conf, so none can be put in its place");
    }
    let Some(served) = Served::new() else { return };
    fs::write(served.folder.path().join("coredump.conf"), "[Coredump]\nStorage=journal\n").unwrap();
    crate::fixtures::place_core(&served.folder.path().join("fixture"), 1);
    let script = r#""$0" run --capture file --out "$1" -- "$2"; status=$?; "$0" collect --out "$1" >&2
        mkdir own && cd own && cp ../fixture core.other && "$0" collect --remove --out "$1.second" >&2
        "$0" run --capture file --out "$1.third" -- sh -c 'cp ../fixture core.another; "$0"' "$2" >&2
        ls /tmp >"$1.left"; exit $status"#;
    let Some(output) = served.run(script) else { return };
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(139), "{told}");
    // A core file of somebody else's is no reason to leave those in the journal where they are.
    for (name, all) in [("out", 1), ("out.second", 2), ("out.third", 2)] {
        let out = served.folder.path().join(name);
        let crashes = sealed(&out);
        assert_eq!(crashes.len(), all, "{name}: {told}");
        let mut kept = crashes.into_values().filter(|crash| crash["collection"]["source"] == "store");
        let (Some(summary), None) = (kept.next(), kept.next()) else { panic!("{name}: {told}") };
        assert_chain(&functions(&summary), &["quantity_of", "price_of", "main"]);
        assert_eq!(summary["process"]["executable"], text(&served.exe), "{told}");
        assert_eq!(summary["collection"]["collector"], "systemd-coredump");
        assert_eq!(summary["collection"]["source"], "store");
        assert!(!told.contains("No such file"), "{told}");
        // Not the file that it lay in for a moment.
        assert!(summary["core"]["path"].as_str().unwrap().starts_with("journal:/core.exe."), "{told}");
        assert_consistent(&out);
    }
    assert!(told.contains("0 new, 1 known, 0 failed") && !told.contains("store_in_journal"), "{told}");
    // The journal keeps what was taken out of it: nobody else has to.
    let left = fs::read_to_string(served.folder.path().join("out.left")).unwrap();
    assert!(!left.contains("epitaph-") && !told.contains("are left in"), "{left}{told}");
}

#[test]
fn cores_of_other_users_in_a_store_are_taken_only_by_name() {
    let (store, out) = (folder(), folder());
    let name = "core.crasher.4000000000.0123456789abcdef0123456789abcdef.1.1700000000000000";
    let core = store.path().join(name);
    crate::fixtures::place_core(&core, 1);
    // A folder that was given is searched for everybody's.
    let collect = || epitaph().args(["collect", "--out"]).arg(out.path());
    collect().arg(store.path()).run().code(0).tells(&["1 new, 0 known, 0 failed"]);
    let (_, summary) = only_sealed(out.path());
    assert_eq!(summary["collection"]["name_fields"]["u"], "4000000000");
    // In a job's own folder, by default, they are not.
    let other = folder();
    let answer =
        epitaph().within(store.path()).args(["collect", "--out"]).arg(other.path().join("out")).run().code(0);
    answer.tells(&["1 cores of other users' processes were left alone"]);
}
