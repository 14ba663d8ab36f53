use super::*;
use crate::host::Host;

fn canary(script: &str) -> Canary {
    Canary::new(RunCommand::new("/bin/sh", ["-c", script]))
}

/// Whatever the host's own pattern is, this process's children crash as it says.
fn host_with(pattern: &str) -> (tempfile::TempDir, Host) {
    crate::host::tests::fake(&[("kernel/core_pattern", pattern)])
}

#[test]
fn a_canary_that_lives_proves_nothing() {
    let _one_at_a_time = crate::run::tests::alone();
    let folder = tempfile::tempdir().unwrap();
    let survived = canary("exit 3").send(&Host::real(), folder.path()).unwrap_err();
    assert!(
        matches!(survived, CanaryError::Survived { .. } | CanaryError::WouldReplace { .. }),
        "{survived}"
    );
    let killed = canary("kill -TERM $$").send(&Host::real(), folder.path()).unwrap_err();
    assert!(!killed.to_string().is_empty());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_canary_that_hangs_is_ended() {
    let _one_at_a_time = crate::run::tests::alone();
    let folder = tempfile::tempdir().unwrap();
    let (_root, host) = host_with("core.%p");
    let begun = Instant::now();
    let slow =
        canary("sleep 60").patience(Duration::from_millis(100)).send(&host, folder.path()).unwrap_err();
    assert!(matches!(slow, CanaryError::Slow { .. }), "{slow}");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let _one_at_a_time = crate::run::tests::alone();
    let folder = tempfile::tempdir().unwrap();
    let (_root, host) = host_with("core.%p");
    let error =
        Canary::new(RunCommand::new("/nowhere/epitaph", [""; 0])).send(&host, folder.path()).unwrap_err();
    assert_eq!(error.to_string(), "cannot start /nowhere/epitaph");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_core_that_is_there_is_not_replaced() {
    let (_root, host) = host_with("/cores/core.%e");
    std::fs::create_dir(host.path("/cores")).unwrap();
    std::fs::write(host.path("/cores/core.sh"), "somebody's core").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let refused = canary("exit 0").send(&host, folder.path()).unwrap_err();
    assert!(matches!(refused, CanaryError::WouldReplace { .. }), "{refused}");
}

#[test]
fn where_all_cores_have_one_name_it_has_a_folder_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("cores")).unwrap();
    for (pattern, own) in [("core", true), ("cores/core.%e", true), ("core.%p", false), ("core.%t", false)] {
        let (_root, host) = host_with(pattern);
        let ground = Ground::of(&host, folder.path(), &"/bin/sh".into()).unwrap();
        assert_eq!(ground.folder() != folder.path(), own, "{pattern}");
        assert_eq!(ground.folder().join("cores").is_dir(), pattern != "core", "{pattern}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "they are gone");
}
