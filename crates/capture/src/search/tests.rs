use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, Instant};

use super::*;
use crate::host::tests::fake;

/// The header of a 64-bit little-endian x86-64 ELF file of type `kind`.
fn elf(kind: u8) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    header[16] = kind;
    header[18] = 62;
    header[20] = 1;
    header[52] = 64;
    header[54] = 56;
    header
}

const CORE: u8 = 4;

/// A job's folder, and a host with some core pattern.
struct Job {
    folder: tempfile::TempDir,
    host: Host,
    _root: tempfile::TempDir,
}

impl Job {
    fn new(pattern: &str) -> Job {
        let (root, host) = fake(&[("kernel/core_pattern", pattern)]);
        Job { folder: tempfile::tempdir().unwrap(), host, _root: root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of yesterday.
    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        age(&path, 86_400);
        path
    }

    fn search(&self) -> Search {
        Search::new(&self.host).tree(self.folder.path())
    }

    fn names(&self, found: &Found) -> Vec<String> {
        let mut names: Vec<String> = found
            .candidates
            .iter()
            .map(|core| core.path.strip_prefix(self.folder.path()).unwrap().display().to_string())
            .collect();
        names.sort();
        names
    }
}

fn age(path: &Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

fn codes(found: &Found) -> Vec<(String, &'static str)> {
    let mut codes: Vec<_> = found
        .rejected
        .iter()
        .map(|rejected| {
            let name = rejected.path.file_name().unwrap_or(rejected.path.as_os_str());
            (name.display().to_string(), rejected.reason.code())
        })
        .collect();
    codes.sort();
    codes
}

#[test]
fn cores_are_found_in_the_whole_tree_with_what_their_names_say() {
    let job = Job::new("core.%p.%E");
    job.write("core.7.!jobs!a", &elf(CORE));
    job.write("build/tests/core.8.!jobs!b", &elf(CORE));
    job.write("build/core", &elf(CORE));
    job.write("main.c", b"int main;");
    let found = job.search().run();
    assert_eq!(job.names(&found), ["build/core", "build/tests/core.8.!jobs!b", "core.7.!jobs!a"]);
    let first = found.candidates.iter().find(|core| core.named_pid() == Some(7)).unwrap();
    assert_eq!((first.source, first.name_fields["E"].as_str()), (CoreSource::Pattern, "!jobs!a"));
    assert_eq!((first.size, first.verified, first.growing), (64, true, false));
    let usual = found.candidates.iter().find(|core| core.path.ends_with("build/core")).unwrap();
    assert_eq!(usual.source, CoreSource::UsualName);
    assert_eq!((found.places.len(), found.places[0].cores), (1, 3));
    assert_eq!(found.places[0].problem, None);
    assert!(found.rejected.is_empty() && found.limits_hit.is_empty());
}

#[test]
fn the_oldest_core_comes_first() {
    let job = Job::new("core.%p");
    for (name, seconds) in [("core.1", 50), ("core.2", 70), ("core.3", 60)] {
        let path = job.write(name, &elf(CORE));
        age(&path, seconds);
    }
    let pids: Vec<_> = job.search().run().candidates.iter().map(Candidate::named_pid).collect();
    assert_eq!(pids, [Some(2), Some(3), Some(1)]);
}

#[test]
fn whatever_only_has_the_name_of_a_core_is_told() {
    let job = Job::new("core");
    job.write("a/core", b"just text");
    job.write("b/core", &elf(2));
    job.write("c/core", &elf(3));
    job.write("d/core.1", b"");
    job.write("e/core.2", b"\x7fELF");
    let target = job.write("f/dump", &elf(CORE));
    symlink(&target, job.path("f/core.3")).unwrap();
    std::fs::hard_link(&target, job.path("f/core.4")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, job.path("core.5"), 0o600.into()).unwrap();
    let found = job.search().run();
    assert!(found.candidates.is_empty());
    let expected = [
        ("core", "not_elf"),
        ("core", "other_elf"),
        ("core", "other_elf"),
        ("core.1", "empty"),
        ("core.2", "broken_elf"),
        ("core.3", "symlink"),
        ("core.4", "hard_linked"),
        ("core.5", "special_file"),
    ];
    assert_eq!(codes(&found), expected.map(|(name, code)| (name.to_owned(), code)));
    let fifo = found.rejected.iter().find(|rejected| rejected.reason.code() == "special_file").unwrap();
    assert!(fifo.sentence().ends_with("core.5` is a FIFO, not a file"), "{}", fifo.sentence());
}

#[test]
fn files_that_are_often_called_so_are_not_mentioned() {
    let job = Job::new("core.%p");
    for name in ["core.js", "core.py", "core-utils.c", "core_test.go", "src/core/mod.rs", "index.core"] {
        job.write(name, b"text");
    }
    job.write("core.empty", b"");
    let found = job.search().run();
    assert!(found.candidates.is_empty() && found.rejected.is_empty(), "{:?}", found.rejected);
    // But a core of such a name is one, and an empty `a.core` was meant to be.
    job.write("core.js", &elf(CORE));
    job.write("a.core", b"");
    let found = job.search().run();
    assert_eq!(job.names(&found), ["core.js"]);
    assert_eq!(codes(&found), [("a.core".to_owned(), "empty")]);
}

#[test]
fn a_folder_is_told_only_where_the_core_would_have_to_be() {
    let job = Job::new("core");
    job.write("core/x.rs", b"text");
    job.write("src/core/y.rs", b"text");
    let found = job.search().run();
    assert_eq!(codes(&found), [("core".to_owned(), "folder")]);
    assert_eq!(found.rejected[0].path, job.path("core"));
    let other = Job::new("core.%p");
    other.write("core/core.9", &elf(CORE));
    let found = other.search().run();
    assert!(found.rejected.is_empty());
    assert_eq!(other.names(&found), ["core/core.9"], "and it is searched");
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let job = Job::new("core.%p");
    let path = job.write("core.7", &elf(CORE));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    let found = job.search().run();
    // Root reads it all the same.
    if rustix::process::geteuid().is_root() {
        assert_eq!(found.candidates.len(), 1);
    } else {
        assert_eq!(codes(&found), [("core.7".to_owned(), "unreadable")]);
        assert!(found.rejected[0].reason.hint().is_some());
    }
}

#[test]
fn another_users_core_is_taken_only_where_it_is_given() {
    if !rustix::process::geteuid().is_root() {
        return; // giving a file away takes root
    }
    let job = Job::new("core.%p");
    let path = job.write("core.7", &elf(CORE));
    std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
    assert_eq!(codes(&job.search().run()), [("core.7".to_owned(), "foreign_owner")]);
    assert_eq!(Search::new(&job.host).given(&path).run().candidates.len(), 1);
}

#[test]
fn given_files_are_taken_whatever_they_are_called() {
    let job = Job::new("core.%p");
    let named = job.write("core.12", &elf(CORE));
    let odd = job.write("odd name", &elf(CORE));
    let packed = job.write("core.zst", b"\x28\xb5\x2f\xfdpacked");
    let program = job.write("program", &elf(3));
    let empty = job.write("empty", b"");
    let link = job.path("link");
    symlink(job.write("linked", &elf(CORE)), &link).unwrap();
    let search = [&named, &odd, &packed, &program, &empty, &link, &job.path("gone")]
        .into_iter()
        .fold(Search::new(&job.host), |search, path| search.given(path));
    let found = search.run();
    assert_eq!(job.names(&found), ["core.12", "core.zst", "link", "odd name"]);
    assert!(found.candidates.iter().all(|core| core.source == CoreSource::Given));
    let verified =
        |name: &str| found.candidates.iter().find(|core| core.path.ends_with(name)).unwrap().verified;
    assert!(verified("odd name") && !verified("core.zst"));
    assert!(found.candidates.iter().any(|core| core.named_pid() == Some(12)));
    let expected = [("empty", "empty"), ("gone", "not_found"), ("program", "other_elf")];
    assert_eq!(codes(&found), expected.map(|(name, code)| (name.to_owned(), code)));
}

#[test]
fn a_given_folder_is_searched_and_no_file_is_taken_twice() {
    let job = Job::new("core.%p");
    let core = job.write("sub/core.7", &elf(CORE));
    let found = job.search().given(&core).given(job.path("sub")).run();
    assert_eq!(found.candidates.len(), 1);
    assert_eq!(found.candidates[0].source, CoreSource::Given);
    assert_eq!(found.places.iter().map(|place| place.cores).collect::<Vec<_>>(), [0, 0]);
}

#[test]
fn the_folder_of_an_absolute_pattern_is_searched() {
    let job = Job::new("/cores/%e/dump.%p");
    let path = job.host.path("/cores/parser/dump.7");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, elf(CORE)).unwrap();
    let found = Search::new(&job.host).usual_places(None).run();
    let fields = &found.candidates[0].name_fields;
    assert_eq!((fields["e"].as_str(), fields["p"].as_str()), ("parser", "7"));
    assert_eq!(found.candidates[0].source, CoreSource::Pattern);
    assert_eq!(found.places.len(), 1, "this host has no /tmp: {:?}", found.places);
}

#[test]
fn the_pattern_s_folder_is_told_where_it_is_missing() {
    let job = Job::new("/cores/core.%p");
    let found = Search::new(&job.host).usual_places(None).run();
    assert!(found.places[0].path.ends_with("/cores"));
    assert!(found.places[0].problem.as_ref().unwrap().contains("No such file"));
}

#[test]
fn of_changed_places_only_the_folders_are_read_in_which_something_appeared() {
    let started = SystemTime::now();
    let (root, host) = fake(&[("kernel/core_pattern", "core.%p")]);
    let tmp = |name: &str| root.path().join("tmp").join(name);
    for folder in ["new/newer", "old"] {
        std::fs::create_dir_all(tmp(folder)).unwrap();
    }
    for core in ["core.1", "new/core.2", "new/newer/core.3", "old/core.4"] {
        std::fs::write(tmp(core), elf(CORE)).unwrap();
    }
    // As if the core had been written over one of yesterday.
    File::open(tmp("old")).unwrap().set_modified(SystemTime::now() - Duration::from_secs(86_400)).unwrap();
    let search = Search::new(&host).newer_than(started);
    let pids = |search: Search| {
        let found = search.run();
        found.candidates.iter().filter_map(Candidate::named_pid).collect::<std::collections::BTreeSet<_>>()
    };
    assert!(pids(search.clone().changed_places()).into_iter().eq([1, 2, 3]));
    assert!(pids(search.clone().changed_places().usual_places(None)).into_iter().eq([1, 2, 3, 4]));
    assert!(pids(search).is_empty());
}

#[test]
fn usual_places_are_searched_near_the_top_only() {
    let job = Job::new("core.%p");
    for file in ["/tmp/core.1", "/tmp/a/b/core.2", "/tmp/a/b/c/core.3"] {
        let path = job.host.path(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, elf(CORE)).unwrap();
    }
    job.write("core.4", &elf(CORE));
    job.write("sub/core.5", &elf(CORE));
    let found = Search::new(&job.host).usual_places(Some(job.folder.path())).run();
    let mut pids: Vec<_> = found.candidates.iter().filter_map(Candidate::named_pid).collect();
    pids.sort_unstable();
    assert_eq!(pids, [1, 2, 4]);
    assert!(found.limits_hit.is_empty(), "nobody asked for more depth");
}

#[test]
fn older_cores_are_counted_but_not_taken_unless_given() {
    let job = Job::new("core.%p");
    let old = job.write("core.1", &elf(CORE));
    job.write("core.2", &elf(CORE));
    let fresh = job.write("core.3", &elf(CORE));
    age(&fresh, 10);
    let since = SystemTime::now() - Duration::from_secs(11);
    let found = job.search().newer_than(since).run();
    assert_eq!((job.names(&found), found.older), (vec!["core.3".to_owned()], 2));
    let found = job.search().newer_than(since).given(old).run();
    assert_eq!(job.names(&found), ["core.1", "core.3"]);
}

#[test]
fn what_was_lost_before_the_job_is_not_told() {
    let job = Job::new("core.%p");
    job.write("core.1", b"");
    let found = job.search().newer_than(SystemTime::now()).run();
    assert_eq!((found.rejected.len(), found.older), (0, 1));
    assert_eq!(job.search().run().rejected.len(), 1);
}

#[test]
fn too_many_cores_are_listed_and_not_taken() {
    let job = Job::new("core.%p");
    for pid in 1..=5 {
        job.write(&format!("core.{pid}"), &elf(CORE));
    }
    let found = job.search().limits(SearchLimits { cores: 3, ..SearchLimits::default() }).run();
    assert_eq!((found.candidates.len(), found.beyond.len(), found.beyond_more), (3, 2, 0));
    assert_eq!(found.limits_hit, [], "none is lost");
    let mut pids: Vec<u32> = found.candidates.iter().filter_map(Candidate::named_pid).collect();
    pids.extend(found.beyond.iter().map(|core| core.name_fields["p"].parse::<u32>().unwrap()));
    pids.sort_unstable();
    assert_eq!(pids, [1, 2, 3, 4, 5]);
}

#[test]
fn of_too_many_cores_the_newest_of_the_jobs_own_are_taken() {
    let job = Job::new("core.%p");
    let elsewhere = tempfile::tempdir().unwrap();
    for pid in 1..=5 {
        age(&job.write(&format!("core.{pid}"), &elf(CORE)), 1000 - pid);
    }
    for pid in 6..=9 {
        let path = elsewhere.path().join(format!("core.{pid}"));
        std::fs::write(&path, elf(CORE)).unwrap();
        age(&path, 10);
    }
    let taken = |cores: usize| {
        let search = Search::new(&job.host).limits(SearchLimits { cores, ..SearchLimits::default() });
        let names = Names::of(&job.host);
        let mut collector = Collector::new(&names, &search);
        // Elsewhere is where it looks first.
        for (index, (folder, own)) in
            [(elsewhere.path(), false), (job.folder.path(), true)].into_iter().enumerate()
        {
            collector.enter(index, own);
            Walk::new(&job.host, search.limits).walk(folder, 1, &mut |entry| collector.visit(&entry));
        }
        let found = collector.finish(Vec::new(), BTreeSet::new());
        assert_eq!(found.candidates.len() + found.beyond.len(), 9);
        let mut pids: Vec<u32> = found.candidates.iter().filter_map(Candidate::named_pid).collect();
        pids.sort_unstable();
        pids
    };
    assert_eq!(taken(3), [3, 4, 5]);
    assert_eq!(taken(5), [1, 2, 3, 4, 5]);
    assert_eq!(taken(9), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_huge_tree_does_not_keep_other_places_from_being_searched() {
    let job = Job::new("core.%p");
    for number in 0..50 {
        job.write(&format!("f{number}"), b"text");
    }
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("core.7"), elf(CORE)).unwrap();
    let limits = SearchLimits { entries: 20, ..SearchLimits::default() };
    let found = job.search().tree(other.path()).limits(limits).run();
    assert_eq!((found.candidates.len(), found.limits_hit), (1, vec![Limit::Entries]));
}

#[test]
fn what_there_was_no_time_for_is_told() {
    let job = Job::new("core.%p");
    job.write("core.1", &elf(CORE));
    let other = tempfile::tempdir().unwrap();
    let limits = SearchLimits { time: std::time::Duration::ZERO, ..SearchLimits::default() };
    let found = job.search().tree(other.path()).limits(limits).run();
    assert!(found.skipped.contains(&other.path().to_owned()), "{:?}", found.skipped);
    assert_eq!((found.candidates.len(), found.limits_hit), (0, vec![Limit::Time]));
    assert!(job.search().run().skipped.is_empty());
}

#[test]
fn where_the_pattern_sends_cores_is_searched_alone() {
    let job = Job::new("/cores/core.%p");
    job.write("core.1", &elf(CORE));
    std::fs::create_dir(job.host.path("/cores")).unwrap();
    std::fs::write(job.host.path("/cores/core.2"), elf(CORE)).unwrap();
    let found = Search::new(&job.host).destination().run();
    let names: Vec<_> = found.candidates.iter().map(|core| core.path.file_name().unwrap()).collect();
    assert_eq!(names, ["core.2"]);
}

#[test]
fn many_rejected_files_are_counted_rather_than_listed() {
    let job = Job::new("core.%p");
    for pid in 1..=100 {
        job.write(&format!("core.{pid}"), b"text");
    }
    let found = job.search().run();
    assert_eq!(found.rejected.len() + found.rejected_more, 100);
    assert!(found.rejected.len() < 100);
}

#[test]
fn a_core_that_is_being_written_is_waited_for() {
    let job = Job::new("core.%p");
    let path = job.path("core.7");
    std::fs::write(&path, "").unwrap();
    let writer = std::thread::spawn(move || {
        use std::io::Write as _;
        let mut file = File::options().append(true).open(path).unwrap();
        std::thread::sleep(Duration::from_millis(60));
        file.write_all(&elf(CORE)).unwrap();
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(30));
            file.write_all(&[0; 1000]).unwrap();
        }
    });
    let found = job.search().run();
    writer.join().unwrap();
    assert_eq!((found.candidates[0].size, found.candidates[0].growing), (10_064, false));
    assert!(found.rejected.is_empty());
}

#[test]
fn the_wait_for_a_growing_core_ends() {
    let job = Job::new("core.%p");
    std::fs::write(job.path("core.7"), elf(CORE)).unwrap();
    std::fs::write(job.path("core.8"), "").unwrap();
    let started = Instant::now();
    let limits = SearchLimits { settle: Duration::ZERO, ..SearchLimits::default() };
    let found = job.search().limits(limits).run();
    assert!(started.elapsed() < Duration::from_secs(1));
    assert!(found.candidates[0].growing);
    assert_eq!(found.limits_hit, [Limit::Settle]);
    assert_eq!(codes(&found), [("core.8".to_owned(), "empty")]);
}

#[test]
fn holes_take_no_space_on_disk() {
    let job = Job::new("core.%p");
    let path = job.write("core.7", &elf(CORE));
    File::options().append(true).open(&path).unwrap().set_len(1 << 24).unwrap();
    age(&path, 60);
    let found = job.search().run();
    assert_eq!(found.candidates[0].size, 1 << 24);
    assert!(found.candidates[0].size_on_disk < 1 << 20);
}

#[test]
fn hostile_names_are_only_names() {
    use std::os::unix::ffi::OsStrExt as _;
    let job = Job::new("core.%p.%E");
    for name in
        [&b"core.1.!a\n::error::b"[..], b"core.2.!\x1b[31m", b"core.3.!\xff\xfe", b"core.4.!-rf \xe2\x80\xae"]
    {
        std::fs::write(job.folder.path().join(std::ffi::OsStr::from_bytes(name)), elf(CORE)).unwrap();
    }
    std::fs::write(job.path(&format!("core.5.!{}", "x".repeat(247))), elf(CORE)).unwrap();
    let found = job.search().run();
    assert_eq!(found.candidates.len(), 5);
    let third = found.candidates.iter().find(|core| core.named_pid() == Some(3)).unwrap();
    assert_eq!(third.name_fields["E"], "!\\xff\\xfe");
    assert!(found.candidates.iter().all(|core| core.source == CoreSource::Pattern));
}

#[test]
fn a_host_whose_pattern_is_unknown_is_searched_by_the_usual_names() {
    let (_root, host) = fake(&[]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("core.7"), elf(CORE)).unwrap();
    assert_eq!(Search::new(&host).tree(folder.path()).run().candidates.len(), 1);
}
