//! End to end: one test binary, one module per command or concern.
//!
//! `EPITAPH_TEST_ALL=1` (`make test-all`) also runs the long sweeps.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is test code; clippy takes its helpers, outside #[test] functions, for production code"
)]

mod abuse;
mod agreement;
mod architecture;
mod architectures;
mod causes;
mod ci_job;
mod circle_server;
mod circleci;
mod circleci_desk;
mod circleci_peers;
mod collect;
mod collect_trouble;
mod collectors;
mod companions;
mod concurrent;
mod coreless;
mod debuginfod;
mod dist;
mod doctor;
mod encrypted;
mod evidence;
mod explained;
mod failing_disk;
mod filtered;
mod fixtures;
mod fleet;
mod github_actions;
mod group;
mod handler;
mod handler_rights;
mod handler_room;
mod handler_socket;
mod hostile;
mod init;
mod kernel_says;
mod mappings;
mod oracle;
mod page;
mod preload;
mod push_pull;
mod python;
mod readers;
mod report;
mod retention;
mod run;
mod run_kernel;
mod scrub;
mod sealed;
mod seed;
mod serve;
mod set_clock;
mod show;
mod slim;
mod sources;
mod stream;
mod support;
mod surface;
mod sweep;
mod traced;
mod traced_rights;
mod transfers;
mod variables;
mod wrapped;

/// A file of this folder that no `mod` line names would never be compiled, and its tests never run.
#[test]
fn no_test_file_is_forgotten() {
    let folder = support::repository().join("tests");
    let listed = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let module = match path.extension() {
            Some(extension) if extension == "rs" && !path.ends_with("main.rs") => path.file_stem().unwrap(),
            None if path.join("mod.rs").is_file() => path.file_name().unwrap(),
            _ => continue,
        };
        let line = format!("mod {};", module.display());
        assert!(listed.lines().any(|known| known == line), "tests/main.rs lacks `{line}`");
    }
}
