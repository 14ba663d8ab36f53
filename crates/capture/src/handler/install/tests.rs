//! Installing on hosts that are folders.

use super::*;
use crate::handler::own_pattern::Way;
use crate::host::tests::fake;

const PROGRAM: &str = "/usr/libexec/epitaph";

fn host(pattern: &str, pipe_limit: &str) -> (tempfile::TempDir, Host) {
    fake(&[("kernel/core_pattern", pattern), ("kernel/core_pipe_limit", pipe_limit)])
}

fn options(spool: &Path, force: bool) -> InstallOptions {
    InstallOptions {
        to: Destination::Program(PROGRAM.into()),
        spool: spool.into(),
        limits: HandlerLimits::default(),
        force,
    }
}

/// A spool whose path a pattern can hold, however long that of the temporary folder is: it is never made here.
fn plan(host: &Host, force: bool) -> Result<Plan, HandlerError> {
    let spool = Path::new("/nowhere/cores");
    let text = OwnPattern::program_text(Path::new(PROGRAM), spool).unwrap();
    Plan::of(host, text, Spool::at(spool), &options(spool, force))
}

fn settings_of(host: &Host) -> (String, u32) {
    let pattern = Setting::read(host, CORE_PATTERN).unwrap().text();
    (pattern, Setting::read(host, PIPE_LIMIT).unwrap().number())
}

#[test]
fn a_pattern_for_files_gives_way() {
    let (_root, host) = host("core.%p\n", "0\n");
    let plan = plan(&host, false).unwrap();
    let [limit, pattern] = plan.changes() else { panic!("{:?}", plan.changes()) };
    assert_eq!((limit.from.as_slice(), limit.to.as_slice()), (&b"0"[..], &b"8"[..]));
    assert_eq!(pattern.from, b"core.%p");
    let text = String::from_utf8(pattern.to.clone()).unwrap();
    assert!(text.starts_with("|/usr/libexec/epitaph handler run v=1 D=/nowhere/cores P=%P "), "{text}");
    assert_eq!(plan.config.saved, Saved { core_pattern: b"core.%p".to_vec(), core_pipe_limit: 0 });
    settings::apply(&host, plan.changes()).unwrap();
    assert_eq!(settings_of(&host), (text, 8));
}

#[test]
fn another_handler_is_named_and_stays_unless_forced() {
    for other in ["|/usr/lib/systemd/systemd-coredump %P", "@/run/coredump.socket"] {
        let (_root, host) = host(other, "16");
        let refused = plan(&host, false).unwrap_err();
        assert!(refused.to_string().contains(other), "{refused}");
        assert!(refused.hint().is_some());
        let forced = plan(&host, true).unwrap();
        assert_eq!(forced.changes().len(), 1, "a limit that is there stays");
        assert_eq!(forced.config.saved, Saved { core_pattern: other.into(), core_pipe_limit: 16 });
    }
}

#[test]
fn a_container_is_no_place_for_it_unless_forced() {
    let (root, host) = host("core", "0");
    std::fs::write(root.path().join(".dockerenv"), "").unwrap();
    assert!(matches!(plan(&host, false), Err(HandlerError::Container { .. })));
    assert!(plan(&host, true).is_ok());
}

#[test]
fn installing_twice_remembers_what_was_there_first() {
    // What was written down is asked for in the spool of the pattern in force, whichever is to come. Its path is one that
    // a pattern can hold.
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let ours = OwnPattern::socket_text(folder.path()).unwrap();
    let (_root, host) = self::host(&ours, "0");
    let unknown = Saved { core_pattern: b"core".to_vec(), core_pipe_limit: 0 };
    assert_eq!(plan(&host, false).unwrap().config.saved, unknown, "the kernel's defaults");
    let saved = Saved { core_pattern: b"|/x \xff".to_vec(), core_pipe_limit: 4 };
    Config { limits: HandlerLimits::default(), pipe_limit: 8, saved }.write(folder.path()).unwrap();
    let refused = plan(&host, false).unwrap_err();
    assert!(matches!(refused, HandlerError::Untrusted { .. }), "others can write to /tmp: {refused}");

    let ours = OwnPattern::program_text(Path::new(PROGRAM), Path::new("/nowhere/cores")).unwrap();
    let (_root, host) = self::host(&ours, "8");
    assert!(plan(&host, false).unwrap().changes().is_empty());
}

#[test]
fn a_pattern_of_any_bytes_is_put_back() {
    let (root, host) = host("core", "0");
    let change = Setting::read(&host, CORE_PATTERN).unwrap().change(b"core \xff%p");
    settings::apply(&host, &[change]).unwrap();
    let written = std::fs::read(root.path().join("proc/sys/kernel/core_pattern")).unwrap();
    assert_eq!(written, b"core \xff%p\n");
}

#[test]
fn a_setting_that_is_not_kept_takes_the_others_back() {
    let (root, host) = host("core", "0");
    let mut changes = plan(&host, false).unwrap().changes;
    // A folder can't be written to.
    let missing = root.path().join("proc/sys/kernel/core_pattern");
    std::fs::remove_file(&missing).unwrap();
    std::fs::create_dir(&missing).unwrap();
    changes.sort_by(|a, b| b.path.cmp(&a.path));
    assert_eq!(changes[0].path, Path::new(PIPE_LIMIT));
    assert!(matches!(settings::apply(&host, &changes), Err(HandlerError::File { what: "written", .. })));
    assert_eq!(Setting::read(&host, PIPE_LIMIT).unwrap().number(), 0);
}

#[test]
fn only_what_is_installed_can_be_uninstalled() {
    let (_root, host) = host("core.%p", "0");
    let refused = uninstall(&host, None, true).unwrap_err();
    assert!(matches!(&refused, HandlerError::NotInstalled { .. }), "{refused}");
    assert!(refused.to_string().contains("core.%p"), "{refused}");
    let nowhere = tempfile::tempdir().unwrap();
    let refused = uninstall(&host, Some(nowhere.path()), true).unwrap_err();
    assert!(matches!(refused, HandlerError::NotInstalled { .. }));
}

#[test]
fn the_status_tells_whose_pattern_it_is() {
    let (_root, host) = host("core.%p", "0");
    let status = Status::of(&host, None).unwrap();
    assert_eq!((status.own, status.pattern.as_str(), status.trouble), (None, "core.%p", None));
    let (_root, host) =
        self::host(&OwnPattern::program_text(Path::new(PROGRAM), Path::new("/nowhere")).unwrap(), "8");
    let status = Status::of(&host, None).unwrap();
    assert_eq!(status.spool, Path::new("/nowhere"));
    let way = Way::Program { path: PROGRAM.into(), layout: "1".into() };
    assert_eq!(status.own.unwrap().way, way);
    assert!(status.trouble.unwrap().contains("/usr/libexec/epitaph") || Path::new(PROGRAM).exists());
}

#[test]
fn a_socket_needs_a_kernel_that_knows_them_and_a_server() {
    let (root, host) = host("core", "0");
    let options = InstallOptions { to: Destination::Socket, ..options(Path::new("/"), false) };
    assert!(matches!(Plan::new(&host, &options), Err(HandlerError::NoSockets)));
    std::fs::write(root.path().join("proc/sys/kernel/core_modes"), "file\npipe\nsocket\n").unwrap();
    // The root folder itself is trusted, and nobody ever serves it.
    let refused = Plan::new(&Host::at(root.path()), &options).unwrap_err();
    assert!(matches!(refused, HandlerError::NobodyListens { .. }), "{refused}");
    assert!(refused.hint().is_some());
}
