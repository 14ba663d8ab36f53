//! Every row of the table, from a folder that looks like the host of which it is true.
//!
//! The numbers are those of the list in the documentation of the codes: A is the kernel, B who is given cores, C files,
//! D what the command did.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::super::*;
use super::{APPORT, SYSTEMD};
use crate::canary::Fate;
use crate::host::Host;
use crate::kernel_log::RefusedCore;
use crate::limits::CoreLimit;
use crate::run::{Exit, Reaped, RunOutcome};

const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
    Max cpu time              unlimited            unlimited            seconds   \n\
    Max file size             unlimited            unlimited            bytes     \n\
    Max data size             unlimited            unlimited            bytes     \n\
    Max stack size            8388608              unlimited            bytes     \n\
    Max core file size        unlimited            unlimited            bytes     \n\
    Max resident set          unlimited            unlimited            bytes     \n\
    Max processes             47991                47991                processes \n\
    Max open files            1024                 1048576              files     \n\
    Max locked memory         8388608              8388608              bytes     \n\
    Max address space         unlimited            unlimited            bytes     \n\
    Max file locks            unlimited            unlimited            locks     \n\
    Max pending signals       47991                47991                signals   \n\
    Max msgqueue size         819200               819200               bytes     \n\
    Max nice priority         0                    0                    \n\
    Max realtime priority     0                    0                    \n\
    Max realtime timeout      unlimited            unlimited            us        \n";

/// A folder that looks like a host on which nothing keeps cores from becoming files.
struct Fake {
    root: TempDir,
    outcome: RunOutcome,
    output: &'static [u8],
}

impl Fake {
    fn new() -> Fake {
        let root = tempfile::tempdir().unwrap();
        let command = RunOutcome {
            exit: Exit::Code(0),
            core_dumped: false,
            pid: 7,
            session: 1,
            executable: Some("/bin/true".into()),
            started: SystemTime::now() - Duration::from_secs(5),
            set_back: Duration::ZERO,
            ended: SystemTime::now(),
            cwd: Some(root.path().join("job")),
            core_limit: CoreLimit::UNLIMITED,
            orphans: Vec::new(),
            orphan_count: 0,
            dumps: crate::Dumps::default(),
            timed_out: false,
            untraced: None,
            stderr: None,
        };
        let fake = Fake { root, outcome: command, output: b"" };
        fake.pattern("core.%p").sysctl("kernel/core_modes", "file\npipe\nsocket\n");
        fake.file("proc/self/limits", LIMITS).file("proc/self/coredump_filter", "00000033\n");
        fake.status("0022", 0)
            .mounts("1 0 8:1 / / rw - ext4 /dev/a rw\n")
            .folder("job")
            .folder("proc/self/ns");
        fake.link("/job", "proc/self/cwd").link("pid:[4026531836]", "proc/self/ns/pid");
        fake
    }

    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(path)
    }

    fn file(&self, path: &str, content: &str) -> &Fake {
        self.folder(Path::new(path).parent().unwrap());
        std::fs::write(self.path(path), content).unwrap();
        self
    }

    fn program(&self, path: &str, content: &str) -> &Fake {
        self.file(path, content);
        std::fs::set_permissions(self.path(path), std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn folder(&self, path: impl AsRef<Path>) -> &Fake {
        std::fs::create_dir_all(self.path(path)).unwrap();
        self
    }

    fn link(&self, target: &str, path: &str) -> &Fake {
        let _ = std::fs::remove_file(self.path(path));
        symlink(target, self.path(path)).unwrap();
        self
    }

    fn sysctl(&self, name: &str, value: &str) -> &Fake {
        self.file(&format!("proc/sys/{name}"), value)
    }

    fn pattern(&self, pattern: &str) -> &Fake {
        self.sysctl("kernel/core_pattern", &format!("{pattern}\n"))
    }

    fn status(&self, umask: &str, tracer: u32) -> &Fake {
        self.file("proc/self/status", &format!("Name:\tsh\nUmask:\t{umask}\nTracerPid:\t{tracer}\n"))
    }

    fn mounts(&self, mounts: &str) -> &Fake {
        self.file("proc/self/mountinfo", mounts).file("proc/1/mountinfo", mounts)
    }

    fn limit(&self, name: &str, soft: &str, hard: &str) -> &Fake {
        let changed = format!("{name:<26}{soft:<21}{hard:<21}bytes");
        let lines = LIMITS.lines().map(|line| if line.starts_with(name) { &changed } else { line });
        self.file("proc/self/limits", &lines.collect::<Vec<_>>().join("\n"))
    }

    fn container(&self) -> &Fake {
        self.link("pid:[4026532451]", "proc/self/ns/pid")
    }

    /// A running systemd-coredump.
    fn systemd(&self) -> &Fake {
        self.pattern(SYSTEMD).program("usr/lib/systemd/systemd-coredump", "");
        self.file("run/systemd/coredump", "").file("run/systemd/journal/socket", "")
    }

    fn apport(&self) -> &Fake {
        self.pattern(APPORT).program("usr/share/apport/apport", "#!/usr/bin/python3 -I\n");
        self.program("usr/bin/python3", "")
    }

    fn host(&self) -> Host {
        Host::at(self.root.path())
    }

    /// What a step sees that stands in /job.
    fn step(&self) -> Situation {
        let host = self.host();
        Situation::of(&host).standing_in(&host, Path::new("/job"))
    }

    /// What `run` sees after its command.
    fn after_run(&self) -> Situation {
        Situation::of(&self.host()).after_run(&self.outcome).after_output(self.output)
    }

    fn ended(mut self, exit: Exit) -> Fake {
        self.outcome.exit = exit;
        self
    }

    fn ran(mut self, program: &str) -> Fake {
        self.outcome.executable = Some(program.into());
        self
    }

    fn said(mut self, output: &'static [u8]) -> Fake {
        self.output = output;
        self
    }
}

/// A canary that left nothing.
const NO_CORE: Fate = Fate::Lost { dumped: false, stub: None };

fn whole_core() -> Fate {
    Fate::Core { path: "/job/core.7".into(), size: 4096, missing: 0, removed: true }
}

fn codes(risks: &[NoCore]) -> Vec<&'static str> {
    risks.iter().map(|risk| risk.code).collect()
}

#[test]
fn a_host_that_forbids_nothing() {
    let fake = Fake::new();
    assert_eq!(forbids(&fake.step()), None);
    assert_eq!(codes(&risks(&fake.step())), ["pattern_relative"]);
    fake.pattern("/job/core.%p");
    assert_eq!(codes(&risks(&fake.step())), [""; 0]);
}

/// What is known before anything ran: reasons.
#[test]
fn reasons_that_a_step_sees() {
    type Setup = fn(&Fake) -> &Fake;
    let table: [(&str, &str, Setup); 45] = [
        ("A1", "no_core_pattern", |it| {
            std::fs::remove_file(it.path("proc/sys/kernel/core_pattern")).unwrap();
            it
        }),
        ("A2", "gvisor", |it| it.sysctl("kernel/osrelease", "4.19.0-gvisor\n")),
        ("A2", "gvisor", |it| {
            it.file("proc/version", "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n")
        }),
        ("A3", "pattern_empty", |it| it.pattern("")),
        ("B1", "pattern_pipe_discard", |it| it.pattern("|/bin/false")),
        ("B1", "pattern_pipe_discard", |it| it.pattern("|/usr/bin/true %p").container()),
        ("B2", "pattern_pipe_systemd", |it| it.systemd()),
        ("B3", "pattern_pipe_systemd_limit", |it| it.systemd().limit("Max core file size", "0", "unlimited")),
        ("B4", "pattern_pipe_systemd_storage", |it| {
            it.systemd().file("etc/systemd/coredump.conf", "[Coredump]\nStorage=none\n")
        }),
        ("B4", "pattern_pipe_systemd_storage", |it| {
            it.systemd().file("etc/systemd/coredump.conf.d/ci.conf", "[Coredump]\nProcessSizeMax=0\n")
        }),
        ("B5", "pattern_pipe_missing", |it| it.pattern(SYSTEMD)),
        ("B5", "pattern_pipe_systemd_down", |it| {
            it.systemd();
            std::fs::remove_file(it.path("run/systemd/coredump")).unwrap();
            it
        }),
        ("B6", "pattern_pipe_systemd_container", |it| it.systemd().container()),
        ("B6", "pattern_pipe_systemd_container", |it| {
            it.systemd()
                .file(".dockerenv", "")
                .file("proc/1/mountinfo", "99 1 0:7 / / rw - overlay overlay rw\n")
        }),
        ("B7", "pattern_pipe_apport", |it| it.apport()),
        ("B9", "pattern_pipe_apport_container", |it| it.apport().container()),
        ("B10", "pattern_pipe_apport_missing", |it| it.pattern(APPORT)),
        ("B11", "pattern_pipe_abrt", |it| it.systemd().folder("var/spool/abrt")),
        ("B11", "pattern_pipe_abrt", |it| {
            it.pattern("|/usr/libexec/abrt-hook-ccpp %s %c %p").program("usr/libexec/abrt-hook-ccpp", "")
        }),
        ("B12", "pattern_pipe_wsl", |it| it.pattern("|/wsl-capture-crash %t %E %p %s").container()),
        ("B12", "pattern_pipe_wsl", |it| it.pattern("|/wsl-capture-crash %t %E %p %s")),
        ("B13", "pattern_pipe_epitaph", |it| {
            it.pattern("|/usr/libexec/epitaph handler run v=1 -v1 -P%P -- %e")
                .program("usr/libexec/epitaph", "")
        }),
        ("B14", "pattern_pipe_unknown", |it| it.pattern("|/opt/handler").program("opt/handler", "")),
        ("B14", "pattern_pipe_unknown", |it| it.pattern("|/opt/handler").container()),
        ("B14", "pattern_pipe_missing", |it| it.pattern("|/opt/handler")),
        ("B14", "pattern_pipe_missing", |it| {
            it.pattern("|/opt/handler").file("opt/handler", "not executable")
        }),
        ("B14", "pattern_pipe_missing", |it| it.pattern("|")),
        ("B14", "pattern_pipe_interpreter_missing", |it| {
            it.pattern("|/opt/handler").program("opt/handler", "#!/usr/bin/perl\n")
        }),
        ("B15", "pattern_pipe_limit_one", |it| {
            it.pattern("|/opt/handler").program("opt/handler", "").limit(
                "Max core file size",
                "1",
                "unlimited",
            )
        }),
        ("B17", "pattern_socket_missing", |it| it.pattern("@/run/cores")),
        ("B17", "pattern_socket", |it| it.pattern("@@/run/cores").container()),
        ("B17", "pattern_socket_epitaph", |it| it.pattern("@@/var/spool/epitaph/epitaph.sock").container()),
        ("C1", "limit_hard_zero", |it| it.limit("Max core file size", "0", "0")),
        ("C2", "limit_zero", |it| it.limit("Max core file size", "0", "unlimited")),
        ("C2", "limit_too_small", |it| it.limit("Max core file size", "4095", "unlimited")),
        ("C4", "file_size_limit_too_small", |it| it.limit("Max file size", "512", "unlimited")),
        ("C6", "pattern_dir_missing", |it| it.pattern("/cores/core.%p")),
        ("C6", "pattern_dir_missing", |it| it.pattern("cores/core.%p")),
        ("C6", "pattern_dir_missing", |it| it.pattern("/cores/core.%p").file("cores", "")),
        ("C8", "cwd_removed", |it| it.link("/job (deleted)", "proc/self/cwd")),
        ("C11", "name_is_a_folder", |it| it.pattern("core").folder("job/core")),
        ("C11", "name_is_a_folder", |it| it.pattern("/job/all/core").folder("job/all/core")),
        ("C12", "umask_hides_core", |it| it.status("0377", 0)),
        ("C12", "umask_hides_core", |it| it.status("0200", 0)),
        ("E", "nothing_found", |it| it),
    ];
    for (row, code, setup) in table {
        let fake = Fake::new();
        let why = explain(&setup(&fake).step());
        assert_eq!(why.code, code, "{row}: {}", why.sentence);
    }
}

#[test]
fn sockets_that_nobody_listens_on() {
    let fake = Fake::new();
    fake.pattern("@/run/cores").folder("run");
    let _socket = std::os::unix::net::UnixListener::bind(fake.path("run/cores")).unwrap();
    assert_eq!(explain(&fake.step()).code, "pattern_socket");
    let header = "Num RefCount Protocol Flags Type St Inode Path\n";
    fake.file("proc/1/net/unix", &format!("{header}0: 00000002 00000000 00000000 0001 01 7 /run/cores\n"));
    assert_eq!(explain(&fake.step()).code, "pattern_socket_refused", "B17");
}

/// What is known before anything ran: risks.
#[test]
fn risks_that_a_step_sees() {
    type Setup = fn(&Fake) -> &Fake;
    let table: [(&str, &str, Setup); 16] = [
        ("A3", "name_hidden", |it| it.pattern("").sysctl("kernel/core_uses_pid", "1\n")),
        ("B4", "systemd_sizes", |it| {
            it.systemd().file("run/systemd/coredump.conf", "[Coredump]\nMaxUse=1G\n")
        }),
        ("B5", "systemd_without_journal", |it| {
            it.systemd();
            std::fs::remove_file(it.path("run/systemd/journal/socket")).unwrap();
            it
        }),
        ("B16", "pipe_limit", |it| it.pattern("|/opt/handler").sysctl("kernel/core_pipe_limit", "4\n")),
        ("C3", "limit_finite", |it| it.limit("Max core file size", "4096", "unlimited")),
        ("C4", "file_size_limit", |it| it.limit("Max file size", "1048576", "unlimited")),
        ("C5", "pattern_relative", |it| it.pattern("core.%p")),
        ("C9", "name_may_be_too_long", |it| {
            let deep = format!("/job/{}", "d".repeat(150));
            it.pattern("core.%p.%E").link(&deep, "proc/self/cwd")
        }),
        ("C10", "name_not_distinct", |it| it.pattern("core")),
        ("C12", "folder_may_map_owners", |it| {
            it.mounts("1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / /job rw - vfat b rw\n")
        }),
        ("C12", "folder_may_map_owners", |it| {
            it.pattern("/mnt/cores/core.%p")
                .mounts("1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / /mnt rw - 9p b rw\n")
        }),
        ("C15", "suid_relative", |it| it.sysctl("fs/suid_dumpable", "2\n")),
        ("C17", "dump_filter", |it| it.file("proc/self/coredump_filter", "00000002\n")),
        ("D6", "traced", |it| it.status("0022", 99)),
        ("C3", "limit_finite", |it| it.limit("Max core file size", "1073741824", "1073741824")),
        ("C10", "name_not_distinct", |it| it.pattern("/job/core.%e")),
    ];
    for (row, code, setup) in table {
        let fake = Fake::new();
        let situation = setup(&fake).step();
        let codes = codes(&risks(&situation));
        assert!(codes.contains(&code), "{row}: {code} is not among {codes:?}");
    }
}

/// What is known after a command has ended.
#[test]
fn reasons_that_run_sees() {
    let crashed = |exit: Exit| Fake::new().ended(exit);
    let orphan = |core_dumped| {
        let mut fake = Fake::new();
        fake.outcome.orphans.push(Reaped { pid: 8, exit: Exit::Signal(11), core_dumped });
        fake
    };
    let table: Vec<(&str, &str, Fake)> = vec![
        ("C9", "name_too_long", {
            let fake = crashed(Exit::Signal(11)).ran(&format!("/{}", "d/".repeat(126)));
            fake.pattern("core.%p.%E");
            fake
        }),
        ("C16", "dump_refused", crashed(Exit::Signal(11))),
        (
            "D1",
            "sanitizer_exit",
            Fake::new().ended(Exit::Code(1)).said(b"==7==ERROR: AddressSanitizer: heap"),
        ),
        ("D2", "rust_panic", Fake::new().ended(Exit::Code(101))),
        (
            "D2",
            "rust_panic",
            Fake::new().ended(Exit::Code(1)).said(b"thread 'main' panicked at src/main.rs:1:2:"),
        ),
        ("D2", "go_panic", Fake::new().ended(Exit::Code(2)).said(b"panic: x\n\ngoroutine 1 [running]:")),
        ("D2", "java_report", {
            let fake = crashed(Exit::Signal(6));
            fake.file("job/hs_err_pid7.log", "#");
            fake
        }),
        ("D3", "killed", Fake::new().ended(Exit::Code(137))),
        ("D3", "oom_killed", {
            let fake = Fake::new().ended(Exit::Signal(9));
            fake.file("proc/self/cgroup", "0::/job\n");
            fake.file("sys/fs/cgroup/job/memory.events", "oom 1\noom_kill 1\n");
            fake
        }),
        ("D4", "child_crashed", Fake::new().ended(Exit::Code(139))),
        ("D5", "minidump", {
            let fake = Fake::new().ended(Exit::Code(1));
            fake.file("job/3f2a.dmp", "MDMP");
            fake
        }),
        ("D6", "tracer_kept_signal", {
            let fake = Fake::new().ended(Exit::Code(1));
            fake.status("0022", 99);
            fake
        }),
        ("D7", "signal_without_core", Fake::new().ended(Exit::Signal(15))),
        ("D7", "nothing_crashed", Fake::new().ended(Exit::Code(1))),
        ("E", "core_not_found", orphan(true)),
        ("C14", "dump_refused", orphan(false)),
    ];
    for (row, code, fake) in table {
        let why = explain(&fake.after_run());
        assert_eq!(why.code, code, "{row}: {}", why.sentence);
    }
}

#[test]
fn what_the_kernel_said_of_a_core_that_it_did_not_write() {
    let said = |pattern: &str, why: &str| {
        let fake = Fake::new().ended(Exit::Signal(11));
        fake.pattern(pattern).program("opt/handler", "");
        let said = RefusedCore { pid: 7, why: why.to_owned() };
        explain(&fake.after_run().after_kernel(Some(said))).code
    };
    let over = "over core_pipe_limit, skipping core dump";
    assert_eq!(said("|/opt/handler", over), "pipe_limit_reached", "B16");
    for why in
        ["Coredump socket /run/cores receive queue full", "Coredump socket connection /run/cores failed -11"]
    {
        let mut situation = Fake::new().ended(Exit::Signal(11)).after_run();
        situation.pattern = super::situation("@/run/cores").pattern;
        situation.receiver = Receiver::Usable;
        let why = explain(&situation.after_kernel(Some(RefusedCore { pid: 7, why: why.to_owned() })));
        assert_eq!(why.code, "pattern_socket_busy", "B17");
        assert!(why.sentence.contains("process 7"), "{}", why.sentence);
    }
    let aborted = "Core dump to core aborted: cannot preserve file permissions";
    assert_eq!(said("core.%p", aborted), "kernel_refused", "C12");
    // What stands there still, and would lose every core, goes first.
    assert_eq!(said("/cores/core.%p", aborted), "pattern_dir_missing");
}

#[test]
fn programs_that_apport_knows_and_others() {
    let with = |program: &str, limit: Option<u64>| {
        let mut fake = Fake::new().ran(program);
        fake.apport();
        fake.outcome.core_limit = CoreLimit { soft: limit, hard: None };
        explain(&fake.after_run()).code
    };
    assert_eq!(with("/usr/bin/gcc", Some(0)), "pattern_pipe_apport", "B7");
    assert_eq!(with("/home/ci/target/debug/app", None), "pattern_pipe_apport_unpackaged", "B8");
    assert_eq!(with("/usr/local/bin/app", None), "pattern_pipe_apport_unpackaged", "B8");
    assert_eq!(with("/home/ci/target/debug/app", Some(0)), "pattern_pipe_apport_limit", "B8");
}

#[test]
fn programs_that_are_guarded() {
    let with = |suid_dumpable, pattern: &str| {
        let mut situation = super::after(Exit::Signal(11), &[(11, false)]);
        situation.pattern = super::situation(pattern).pattern;
        situation.suid_dumpable = suid_dumpable;
        for kind in [Guarded::SetUser, Guarded::SetGroup, Guarded::Capabilities, Guarded::Unreadable] {
            situation.command.as_mut().unwrap().program.guarded = Some(kind);
        }
        explain(&situation).code
    };
    assert_eq!(with(0, "core.%p"), "program_guarded", "C14");
    assert_eq!(with(0, "/tmp/core.%p"), "program_guarded", "C14");
    assert_eq!(with(1, "core.%p"), "dump_refused");
    assert_eq!(with(2, "core.%p"), "suid_needs_absolute_path", "C15");
    assert_eq!(with(2, "/tmp/core.%p"), "dump_refused");
}

#[test]
fn what_a_canary_proves() {
    let fake = Fake::new();
    assert_eq!(forbids(&fake.step().after_canary(&whole_core())), None);
    let proved = explain(&fake.step().after_canary(&whole_core()));
    assert_eq!(proved.code, "nothing_found", "E");
    assert!(proved.sentence.contains("on purpose left one"), "{}", proved.sentence);
    assert_eq!(
        explain(&fake.step().after_canary(&NO_CORE)).code,
        "canary_lost",
        "C7, C16: quotas, security modules"
    );
    let cut = Fate::Core { path: "/job/core.7".into(), size: 4096, missing: 10, removed: true };
    assert_eq!(explain(&fake.step().after_canary(&cut)).code, "canary_core_cut", "C3, C4, C13");
    fake.mounts("1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / /job rw - vfat b rw\n");
    assert_eq!(explain(&fake.step().after_canary(&NO_CORE)).code, "folder_maps_owners", "C12");
    let proved = fake.step().after_canary(&whole_core());
    assert_eq!((forbids(&proved), codes(&risks(&proved))), (None, vec!["pattern_relative"]));
}

#[test]
fn a_folder_that_this_user_may_not_write_to() {
    if rustix::process::geteuid().is_root() {
        // Root may; the real kernel's read-only mounts are in the tests of `doctor`.
        return;
    }
    let fake = Fake::new();
    fake.pattern("/cores/core.%p").folder("cores");
    std::fs::set_permissions(fake.path("cores"), std::fs::Permissions::from_mode(0o555)).unwrap();
    assert_eq!(explain(&fake.step()).code, "pattern_dir_unwritable", "C7");
}

#[test]
fn every_code_is_shown_by_some_test_and_documented() {
    let tests = [include_str!("table.rs"), include_str!("../tests.rs")].concat();
    let documentation = include_str!("../mod.rs");
    for row in rows::table() {
        assert!(tests.contains(&format!("\"{}\"", row.code)), "no test shows {}", row.code);
        assert!(documentation.contains(&format!("`{}`", row.code)), "{} is not documented", row.code);
    }
}
