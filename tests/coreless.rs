//! No core, but the kernel's log: the same function, file and line as a core would have told, and no more.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use epitaph_testkit::crash::{Built, Crash, or_skip, program};
use epitaph_testkit::need_tool;
use epitaph_testkit::skip::skipped;
use serde_json::Value;

use crate::fixtures::{assert_consistent, functions, sealed};
use crate::support::{epitaph, epitaph_alone, folder, text};

/// Where a file's code lies in memory, and in the file.
struct Code {
    address: u64,
    offset: u64,
    size: u64,
}

/// Reads the program header of a file's code.
fn code(exe: &Path) -> Code {
    let output = Command::new("readelf").arg("-lW").arg(exe).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let line = output.lines().find(|line| line.contains("LOAD") && line.contains(" R E ")).unwrap();
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (offset, address, size) = (number(fields[1]), number(fields[2]), number(fields[4]));
    let floor = |value: u64| value & !4095;
    Code {
        address: floor(address),
        offset: floor(offset),
        size: (address + size).next_multiple_of(4096) - floor(address),
    }
}

fn hex(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// What a frame says of the source.
fn place(summary: &Value) -> [Value; 3] {
    let frame = &summary["threads"][0]["frames"][0];
    ["function", "file", "line"].map(|field| frame[field].clone())
}

#[test]
fn a_saved_log_tells_the_frame_that_the_core_does() {
    need_tool!("readelf");
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let with_core =
        epitaph().args(["show", "--json", "--exe"]).arg(&crash.exe).arg(&crash.core).run().code(0).json();
    let frame = &with_core["threads"][0]["frames"][0];
    let (pc, of_module) = (hex(&frame["pc"]), hex(&frame["offset"]));
    let code = code(&crash.exe);
    let start = pc - of_module + code.address;
    let (at, size) = (code.offset + (pc - start), code.size);
    let name = text(crash.exe.file_name().unwrap());
    let job = crash.exe.parent().unwrap();
    let message = |place: &str| {
        format!(
            "[57412.032199] {name}[4711]: segfault at 4 ip {pc:016x} sp 00007ffd0badc0de error 4 in {name}[{place}] likely on CPU 3\n"
        )
    };
    // As kernels since 6.10 write it, and older ones; found in the job's folder, or named.
    for mapping in [format!("{at:x},{start:x}+{size:x}"), format!("{start:x}+{size:x}")] {
        let log = job.join("kernel.log");
        fs::write(&log, message(&mapping)).unwrap();
        let show = || epitaph().args(["show", "--json", "--kernel-log"]).arg(&log);
        for summary in [
            show().within(job).run().code(0).json(),
            show().arg("--exe").arg(&crash.exe).run().code(0).json(),
        ] {
            assert_eq!(place(&summary), place(&with_core), "{mapping}");
            assert_eq!(functions(&summary), ["quantity_of"]);
            let thread = &summary["threads"][0];
            assert_eq!((&thread["tid"], &thread["stop"]), (&4711.into(), &"not_dumped".into()));
            assert_eq!(summary["core"], Value::Null);
            assert_eq!(summary["warnings"][0]["code"], "no_core");
            assert_eq!(summary["cause"]["class"], "null_deref:read");
            assert_eq!(summary["modules"][0]["file_state"], "unverified");
            assert_eq!(summary["collection"]["collector"], "kernel log");
        }
        let answer =
            epitaph().within(job).args(["show", "--kernel-log", "-"]).stdin(File::open(&log).unwrap()).run();
        answer.code(0).says(&["in quantity_of", "died of SIGSEGV: ", "there is no core: "]);
    }
    // A file of another build doesn't take the same pages.
    let log = job.join("other.log");
    fs::write(&log, message(&format!("{start:x}+{:x}", size + 4096))).unwrap();
    let other = epitaph().within(job).args(["show", "--json", "--kernel-log"]).arg(&log).run().code(0).json();
    assert_eq!(functions(&other), ["??"]);
    let warnings = other["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning["code"] == "code_file_missing"), "{warnings:?}");
    // Nor one that has other bytes there.
    let log = job.join("bytes.log");
    fs::write(&log, message(&format!("{at:x},{start:x}+{size:x}")) + "[57412.03] Code: 00 01 <02> 03\n")
        .unwrap();
    let other = epitaph().within(job).args(["show", "--json", "--kernel-log"]).arg(&log).run().code(0).json();
    assert_eq!(functions(&other), ["??"]);
}

#[test]
fn a_log_without_a_crash_is_told() {
    let folder = folder();
    let log = folder.path().join("log");
    fs::write(&log, "[1.0] usb 1-1: new device\n").unwrap();
    epitaph()
        .args(["show", "--kernel-log"])
        .arg(&log)
        .run()
        .code(1)
        .tells(&["the kernel logged no crash in it", "hint: "]);
    epitaph().args(["show", "--kernel-log", "/nowhere"]).run().code(1).tells(&["/nowhere cannot be read"]);
    epitaph().arg("show").run().code(2);
}

/// Tells whether the running kernel's log can be read, and has a message about a thread of that name.
fn is_logged(name: &str) -> Option<bool> {
    let mut file = File::options().read(true).custom_flags(0o4000).open("/dev/kmsg").ok()?;
    let mut record = [0; 8192];
    let mut found = false;
    loop {
        match file.read(&mut record) {
            Ok(length) => {
                let record = String::from_utf8_lossy(&record[..length]).into_owned();
                found |= record.contains(&format!(";{name}[")) && record.contains(": segfault at ");
            }
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(_) => return Some(found),
        }
    }
}

#[test]
fn a_command_without_a_core_is_told_of_by_the_kernels_log() {
    let Some(built) = or_skip(Built::of(program("null_deref"))) else { return };
    let folder = folder();
    // A name that nobody else's crash has.
    let name = format!("coreless{}", std::process::id());
    let exe = folder.path().join(&name);
    fs::copy(&built.exe, &exe).unwrap();
    if cfg!(not(target_arch = "x86_64")) || is_logged(&name).is_none() {
        return skipped("the kernel's log can't be read here, or its messages are of no kind that is known");
    }
    for prefix in ["", "exec "] {
        // A folder for each attempt: where another test gives the kernel a pattern meanwhile, there may be a core.
        let out = |attempt: u64| folder.path().join(format!("out{}-{attempt}", prefix.len()));
        let script = format!("ulimit -c 0; {prefix}{}; exit $?", text(&exe));
        // Other tests' crashes are of the same session, and their cores in /tmp would be the command's as well.
        let run = |attempt: u64| {
            epitaph_alone()
                .unwrap_or_else(epitaph)
                .within(&folder)
                .args(["run", "--out"])
                .arg(out(attempt))
                .args(["--", "sh", "-c", &script])
                .run()
                .code(139)
        };
        // The kernel logs ten such messages in five seconds, of whoever crashes.
        let told = (0..8).find_map(|attempt| {
            std::thread::sleep(Duration::from_secs(attempt.min(1)));
            let answer = run(attempt);
            let is_told = answer.stderr().contains("what the kernel logged of a crash is kept as ");
            is_told.then(|| (answer, out(attempt)))
        });
        let Some((told, out)) = told else {
            assert_eq!(is_logged(&name), Some(false), "it was logged, and not told");
            return skipped("the kernel logged nothing: too many others crash");
        };
        told.tells(&[
            "warning: the command died without a core: ",
            "in quantity_of",
            "1 new, 0 known, 0 failed",
        ]);
        let crashes = sealed(&out);
        let (_, summary) = crashes.iter().next().unwrap();
        assert_eq!(functions(summary), ["quantity_of"]);
        assert_eq!(summary["process"]["executable"], text(&exe));
        assert_eq!(summary["collection"]["exit_status"], 139);
        assert_eq!(
            summary["process"]["pid"].is_u64(),
            !prefix.is_empty(),
            "behind a shell, only the thread is known"
        );
        assert_consistent(&out);
    }
    let out = folder.path().join("collected");
    let answer = epitaph().within(&folder).args(["collect", "--out"]).arg(&out).run().code(0);
    // Others' cores in the usual places are told of instead, where there are some.
    if answer.stdout().contains("No core was found") {
        assert!(answer.stdout().contains("in quantity_of"), "{answer}");
    }
}
