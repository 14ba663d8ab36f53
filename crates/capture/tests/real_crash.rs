//! A process crashes for real: its core is found, or the reason for its absence is.

use epitaph_capture::{Exit, Host, RunCommand, RunOptions, Search, Situation, explain, run};

#[test]
fn a_real_crash_leaves_a_core_or_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let command =
        RunCommand::new("sh", ["-c", r#"cd "$0" && kill -SEGV $$"#, folder.path().to_str().unwrap()]);
    let outcome = run(&command, &RunOptions::default()).unwrap();
    assert_eq!(outcome.exit, Exit::Signal(11));
    assert_eq!(outcome.crashed().count(), 1);

    let host = Host::real();
    let found = Search::new(&host).tree(folder.path()).usual_places(None).newer_than(outcome.started).run();
    let relative = host
        .settings()
        .pattern
        .as_ref()
        .is_ok_and(|pattern| pattern.file().is_some_and(|file| !file.is_absolute() && !file.is_empty()));
    if relative && outcome.core_dumped {
        let canonical = folder.path().canonicalize().unwrap();
        let core =
            found.candidates.iter().find(|core| core.path.canonicalize().unwrap().starts_with(&canonical));
        let core = core.expect("the kernel said that it wrote a core");
        assert!(core.verified && !core.growing && core.size_on_disk > 0);
        assert!(core.named_pid().is_none_or(|pid| pid == outcome.pid));
    } else {
        let why = explain(&Situation::of(&host).after_search(&found).after_run(&outcome));
        assert_ne!(why.code, "nothing_crashed");
        assert!(!why.advice.is_empty());
    }
}
