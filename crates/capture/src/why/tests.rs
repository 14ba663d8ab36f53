mod table;

use std::path::PathBuf;

use super::*;
use crate::error::CaptureError;
use crate::limits::CoreLimit;
use crate::pattern::{CorePattern, Rules};
use crate::run::{Exit, Reaped};
use crate::search::{Found, Limit, Reason, Rejected};

/// A host that forbids nothing, after a search of one folder.
fn situation(pattern: &str) -> Situation {
    Situation {
        pattern: Ok(CorePattern::parse(pattern, Rules::default())),
        gvisor: false,
        pipe_limit: 0,
        suid_dumpable: 0,
        inherited: Inherited::default(),
        systemd: Systemd::default(),
        name_taken: None,
        oom_kills: 0,
        canary: None,
        limit: CoreLimit::UNLIMITED,
        container: None,
        receiver: Receiver::Usable,
        folder: None,
        command: None,
        lost: Vec::new(),
        searched: 1,
        limits_hit: Vec::new(),
        older: 0,
        kernel_said: None,
        not_kept: None,
    }
}

fn with_limit(pattern: &str, soft: Option<u64>, hard: Option<u64>) -> Situation {
    Situation { limit: CoreLimit { soft, hard }, ..situation(pattern) }
}

fn in_container(pattern: &str) -> Situation {
    Situation { container: Some("/.dockerenv exists"), receiver: Receiver::Unknown, ..situation(pattern) }
}

fn without_receiver(pattern: &str) -> Situation {
    Situation { receiver: Receiver::Missing, ..situation(pattern) }
}

fn with_folder(pattern: &str, trouble: FolderTrouble) -> Situation {
    Situation {
        folder: Some(Folder { path: "/cores".into(), trouble: Some(trouble), mapping: None }),
        ..situation(pattern)
    }
}

fn command(exit: Exit, crashed: &[(i32, bool)]) -> CommandFacts {
    let crashed = crashed
        .iter()
        .map(|(signal, core_dumped)| Reaped {
            pid: 7,
            exit: Exit::Signal(*signal),
            core_dumped: *core_dumped,
        })
        .collect();
    CommandFacts {
        exit,
        crashed,
        pid: 7,
        executable: Some("/jobs/parser".into()),
        program: Program::default(),
        own_report: None,
        last_words: LastWords::default(),
    }
}

fn after(exit: Exit, crashed: &[(i32, bool)]) -> Situation {
    Situation { command: Some(command(exit, crashed)), ..situation("core.%p") }
}

fn named(executable: PathBuf, pattern: &str) -> Situation {
    let facts = CommandFacts { executable: Some(executable), ..command(Exit::Signal(11), &[(11, false)]) };
    Situation { command: Some(facts), ..situation(pattern) }
}

fn code(situation: &Situation) -> &'static str {
    explain(situation).code
}

const SYSTEMD: &str = "|/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h";
const APPORT: &str = "|/usr/share/apport/apport -p%p -s%s -c%c -d%d -P%P -u%u -g%g -- %E";

#[test]
fn a_kernel_that_writes_no_cores() {
    let path = PathBuf::from("/proc/sys/kernel/core_pattern");
    let without =
        Situation { pattern: Err(CaptureError::NoCorePattern { path: path.clone() }), ..situation("") };
    assert_eq!(code(&without), "no_core_pattern");
    let source = std::sync::Arc::new(std::io::Error::from(std::io::ErrorKind::PermissionDenied));
    let hidden = Situation { pattern: Err(CaptureError::Read { path, source }), ..situation("") };
    assert_eq!(code(&hidden), "core_pattern_unreadable");
    assert!(explain(&hidden).sentence.contains("permission denied"), "{}", explain(&hidden).sentence);
}

#[test]
fn an_empty_pattern() {
    assert_eq!(code(&situation("")), "pattern_empty");
    let hidden_name = CorePattern::parse("", Rules { uses_pid: true, ..Rules::default() });
    assert_eq!(code(&Situation { pattern: Ok(hidden_name), ..situation("") }), "nothing_found");
}

#[test]
fn programs_that_are_given_cores() {
    for (situation, expected) in [
        (situation("|/bin/false"), "pattern_pipe_discard"),
        (in_container("|/usr/bin/true %p"), "pattern_pipe_discard"),
        (with_limit(SYSTEMD, Some(1), None), "pattern_pipe_limit_one"),
        (situation(SYSTEMD), "pattern_pipe_systemd"),
        (with_limit(SYSTEMD, Some(0), None), "pattern_pipe_systemd_limit"),
        (with_limit(SYSTEMD, Some(4096), None), "pattern_pipe_systemd"),
        (in_container(SYSTEMD), "pattern_pipe_systemd_container"),
        (without_receiver(SYSTEMD), "pattern_pipe_missing"),
        (situation(APPORT), "pattern_pipe_apport"),
        (in_container(APPORT), "pattern_pipe_apport_container"),
        (without_receiver(APPORT), "pattern_pipe_apport_missing"),
        (situation("|/opt/handler %p"), "pattern_pipe_unknown"),
        (in_container("|/opt/handler %p"), "pattern_pipe_unknown"),
        (without_receiver("|/opt/handler %p"), "pattern_pipe_missing"),
        (without_receiver("|"), "pattern_pipe_missing"),
    ] {
        assert_eq!(code(&situation), expected, "{:?}", situation.pattern);
    }
}

#[test]
fn a_limit_of_zero_matters_little_to_programs() {
    assert_eq!(code(&with_limit("|/opt/handler", Some(0), Some(0))), "pattern_pipe_unknown");
    let unpackaged = explain(&with_limit(APPORT, Some(0), None));
    assert!(unpackaged.sentence.contains("limit is 0"), "{}", unpackaged.sentence);
}

#[test]
fn a_container_is_named_with_its_evidence() {
    for pattern in [SYSTEMD, APPORT, "|/opt/handler"] {
        let why = explain(&in_container(pattern));
        assert!(why.sentence.contains("/.dockerenv exists"), "{}", why.sentence);
        assert!(why.advice.contains("before the container starts"), "{}", why.advice);
    }
}

#[test]
fn sockets_that_are_given_cores() {
    assert_eq!(code(&situation("@/run/cores")), "pattern_socket");
    assert_eq!(code(&in_container("@@/run/cores")), "pattern_socket");
    assert_eq!(code(&without_receiver("@@/run/cores")), "pattern_socket_missing");
    // Our own.
    let own = "@@/var/spool/epitaph/epitaph.sock";
    assert_eq!(code(&situation(own)), "pattern_socket_epitaph");
    assert_eq!(code(&in_container(own)), "pattern_socket_epitaph");
    assert_eq!(code(&without_receiver(own)), "pattern_socket_missing");
    for (pattern, server) in [(own, "epitaph handler serve"), ("@@/run/cores", "start its server")] {
        let advice = explain(&without_receiver(pattern)).advice;
        assert!(advice.contains(server), "{advice}");
    }
}

#[test]
fn limits_of_the_cores_size() {
    for (soft, hard, expected) in [
        (Some(0), Some(0), "limit_hard_zero"),
        (Some(0), None, "limit_zero"),
        (Some(0), Some(4096), "limit_zero"),
        (Some(1), None, "limit_too_small"),
        (Some(4095), Some(4095), "limit_too_small"),
        (Some(4096), Some(4096), "nothing_found"),
        (None, None, "nothing_found"),
    ] {
        assert_eq!(code(&with_limit("core.%p", soft, hard)), expected, "{soft:?} {hard:?}");
    }
}

#[test]
fn whose_limit_it_is_is_said() {
    let zero = with_limit("core", Some(0), None);
    assert!(explain(&zero).sentence.contains("of this step"));
    let theirs = Situation { command: Some(command(Exit::Signal(11), &[(11, false)])), ..zero };
    assert!(explain(&theirs).sentence.contains("the command's"));
}

#[test]
fn the_folder_that_cores_go_to() {
    for (trouble, expected) in [
        (FolderTrouble::Missing, "pattern_dir_missing"),
        (FolderTrouble::NotAFolder, "pattern_dir_missing"),
        (FolderTrouble::NotPermitted, "pattern_dir_unwritable"),
        (FolderTrouble::ReadOnly, "pattern_dir_unwritable"),
        (FolderTrouble::Full, "disk_full"),
        (FolderTrouble::NoFiles, "disk_full"),
    ] {
        let why = explain(&with_folder("/cores/core.%p", trouble));
        assert_eq!(why.code, expected);
        assert!(why.sentence.contains("`/cores`"), "{}", why.sentence);
    }
}

#[test]
fn a_name_that_no_file_system_takes() {
    let deep = |length: usize| PathBuf::from(format!("/{}", "d/".repeat(length / 2)));
    let long = deep(252); // `core.7.` and 252 bytes
    assert_eq!(code(&named(long.clone(), "core.%p.%E")), "name_too_long");
    assert_eq!(code(&named(deep(240), "core.%p.%E")), "dump_refused");
    assert_eq!(code(&named(long, "core.%p.%e")), "dump_refused");
}

#[test]
fn cores_that_are_there_and_cannot_be_had() {
    let rejected = |reason| {
        let found =
            Found { rejected: vec![Rejected { path: "/jobs/core.1".into(), reason }], ..Found::default() };
        explain(&situation("core.%p").after_search(&found))
    };
    let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let unreadable = rejected(Reason::Unreadable(denied));
    assert_eq!(unreadable.code, "core_unreadable");
    assert!(unreadable.sentence.contains("`/jobs/core.1` cannot be read"), "{}", unreadable.sentence);
    assert_eq!(rejected(Reason::Empty).code, "core_empty");
    assert_eq!(rejected(Reason::ForeignOwner(7)).code, "core_foreign_owner");
    assert_eq!(rejected(Reason::Folder).code, "name_is_a_folder");
    assert_eq!(rejected(Reason::NotElf).code, "nothing_found", "another file says nothing about cores");
}

#[test]
fn what_the_search_itself_says() {
    let older = Situation { older: 2, ..situation("core.%p") };
    assert_eq!(code(&older), "only_older_cores");
    assert_eq!(code(&Situation { older: 2, ..after(Exit::Code(1), &[]) }), "nothing_crashed");
    let cut = Situation { limits_hit: vec![Limit::Time], ..situation("core.%p") };
    assert_eq!(code(&cut), "search_cut");
}

#[test]
fn what_the_command_says() {
    assert_eq!(code(&after(Exit::Signal(11), &[(11, true)])), "core_not_found");
    assert_eq!(code(&after(Exit::Signal(11), &[(11, false)])), "dump_refused");
    assert_eq!(code(&after(Exit::Code(0), &[(6, true)])), "core_not_found", "an orphan crashed");
    assert_eq!(code(&after(Exit::Code(1), &[])), "nothing_crashed");
    assert_eq!(code(&after(Exit::Signal(9), &[])), "killed");
    // A shell passed the crash of its child on: that is not nothing.
    assert_eq!(code(&after(Exit::Code(139), &[])), "child_crashed");
    assert_eq!(code(&after(Exit::Code(128), &[])), "nothing_crashed");
}

#[test]
fn what_the_host_forbids_goes_before_what_the_command_says() {
    let systemd = Situation { pattern: situation(SYSTEMD).pattern, ..after(Exit::Code(1), &[]) };
    assert_eq!(code(&systemd), "pattern_pipe_systemd");
}

#[test]
fn risks_are_told_beside_the_reason() {
    let codes =
        |pattern: &str| risks(&situation(pattern)).into_iter().map(|risk| risk.code).collect::<Vec<_>>();
    assert_eq!(codes("core"), ["pattern_relative", "name_not_distinct"]);
    assert_eq!(codes("core.%p"), ["pattern_relative"]);
    assert_eq!(codes("/tmp/core.%e"), ["name_not_distinct"]);
    assert!(codes("/tmp/core.%p").is_empty());
    assert!(codes(SYSTEMD).is_empty());
}

#[test]
fn codes_are_unique_and_sentences_are_fragments() {
    let mut codes: Vec<_> = rows::table().map(|row| row.code).collect();
    codes.sort_unstable();
    let count = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), count);
    for situation in [situation(""), situation(SYSTEMD), situation("core"), in_container(APPORT)] {
        let why = explain(&situation);
        for text in [&why.sentence, &why.advice] {
            assert!(!text.is_empty() && !text.ends_with('.') && !text.contains('\n'), "{text:?}");
        }
    }
}

#[test]
fn a_hostile_pattern_stays_one_line() {
    let why = explain(&situation("|/opt/\x1b[31mx"));
    assert!(!why.sentence.contains('\x1b'), "{}", why.sentence);
}
