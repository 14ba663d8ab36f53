//! Look-ups of files by build ID, on servers that do as they please.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use epitaph_store::{
    Debuginfod, DebuginfodFile, DebuginfodOptions, DebuginfodWanted, LookUpLimits, LookUps, NoProgress,
};
use epitaph_testkit::server::{End, Reply, Request, Server};
use tempfile::TempDir;

use crate::support::{Log, texts, write};

const ID: &str = "0123456789abcdef";
/// What a file begins with that is the wanted one, as far as these tests go.
const GOOD: &str = "good";
const LIMITS: LookUpLimits = LookUpLimits { time: Duration::from_secs(20), count: 8 };
/// What takes longer did wait for something.
const SOON: Duration = Duration::from_secs(5);

/// A cache of its own, and servers.
struct World {
    dir: TempDir,
    options: DebuginfodOptions,
}

impl World {
    fn new(servers: &[&str]) -> World {
        let dir = tempfile::tempdir().unwrap();
        let mut options = DebuginfodOptions::from_variables(|_| None);
        options.servers = servers.iter().map(|&server| server.to_owned()).collect();
        options.cache = dir.path().join("cache");
        World { dir, options }
    }

    fn of(servers: &[&Server]) -> World {
        let urls: Vec<String> = servers.iter().map(|server| server.url()).collect();
        World::new(&urls.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn with(mut self, change: impl FnOnce(&mut DebuginfodOptions)) -> World {
        change(&mut self.options);
        self
    }

    fn client(&self) -> Debuginfod {
        Debuginfod::new(self.options.clone())
    }

    fn cached(&self, file: &str) -> PathBuf {
        self.options.cache.join(ID).join(file)
    }
}

fn check(path: &Path) -> Result<(), String> {
    match fs::read(path) {
        Ok(bytes) if bytes.starts_with(GOOD.as_bytes()) => Ok(()),
        _ => Err("it is another one".to_owned()),
    }
}

fn find_id(look_ups: &LookUps<'_>, build_id: &str) -> Option<PathBuf> {
    let wanted = DebuginfodWanted { build_id, file: DebuginfodFile::Debuginfo, name: "libx.so" };
    look_ups.find(&wanted, &mut check, &NoProgress)
}

fn find(look_ups: &LookUps<'_>) -> Option<PathBuf> {
    find_id(look_ups, ID)
}

/// What went wrong, a line each.
fn told(look_ups: &LookUps<'_>) -> Vec<String> {
    look_ups.warnings().into_iter().map(|warning| format!("{}: {}", warning.path, warning.message)).collect()
}

fn good(_: &Request) -> Reply {
    Reply::new(200, format!("{GOOD} bytes")).header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
}

fn absent(_: &Request) -> Reply {
    Reply::new(404, "File not found")
}

#[test]
fn a_file_comes_once_and_is_in_the_cache_from_then_on() {
    let server = Server::start(good);
    let world = World::of(&[&server]);
    let client = world.client();
    let log = Log::default();
    let wanted = DebuginfodWanted { build_id: ID, file: DebuginfodFile::Executable, name: "libx.so" };
    let look_ups = client.look_ups(LIMITS);
    let path = look_ups.find(&wanted, &mut check, &log).unwrap();
    assert_eq!(path, world.cached("executable"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "good bytes");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 784_111_777);
    assert_eq!(log.lines()[0], "started libx.so Some(10)");
    assert_eq!(log.lines().last().unwrap(), "finished libx.so");

    // Neither this process nor another one asks again.
    assert_eq!(look_ups.find(&wanted, &mut check, &log), Some(path.clone()));
    assert_eq!(world.client().look_ups(LIMITS).find(&wanted, &mut check, &log), Some(path));
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, format!("/buildid/{ID}/executable"));
    assert_eq!(requests[0].header("accept-encoding"), Some("identity"));
    assert!(told(&look_ups).is_empty());
}

#[test]
fn that_no_server_has_it_is_remembered_and_told_to_nobody() {
    let servers = [Server::start(absent), Server::start(absent)];
    let world = World::of(&[&servers[0], &servers[1]]);
    let client = world.client();
    let look_ups = client.look_ups(LIMITS);
    assert_eq!((find(&look_ups), find(&look_ups)), (None, None));
    assert_eq!(servers.iter().map(|server| server.requests().len()).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(fs::read(world.cached("debuginfo")).unwrap(), b"");
    assert!(told(&look_ups).is_empty());
}

#[test]
fn what_one_server_could_not_say_is_not_remembered_as_absent() {
    let server = Server::start(absent);
    let world = World::new(&[&server.url(), "http://127.0.0.1:1/"]).with(|options| options.retries = 0);
    let client = world.client();
    let look_ups = client.look_ups(LIMITS);
    assert_eq!((find(&look_ups), find_id(&look_ups, "ff")), (None, None));
    assert!(!world.options.cache.join("ff").exists() && !world.cached("debuginfo").exists());
    let told = told(&look_ups);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].starts_with("http://127.0.0.1:1/: it is not asked any more: request to"), "{told:#?}");
    assert!(told[0].contains("refused"), "{told:#?}");
    assert_eq!(server.requests().len(), 2, "the others are still asked");
}

#[test]
fn the_first_good_answer_wins() {
    for bad in ["a lie", ""] {
        let liar = Server::start(move |_| Reply::new(200, bad));
        let honest = Server::start(|request| good(request).after(Duration::from_millis(200)));
        let world = World::of(&[&liar, &honest]);
        let client = world.client();
        let look_ups = client.look_ups(LIMITS);
        assert_eq!(fs::read_to_string(find(&look_ups).unwrap()).unwrap(), "good bytes");
        let told = told(&look_ups);
        assert_eq!(told.len(), 1, "{told:#?}");
        let lie = format!(
            "{}/buildid/{ID}/debuginfo sent a file that is not used: asked for build ID {ID}, but: it is another one",
            liar.url()
        );
        assert!(told[0].starts_with(&format!("{}/: ", liar.url())) && told[0].contains(&lie), "{told:#?}");
    }
}

#[test]
fn a_lie_is_not_kept_and_each_server_is_told_once() {
    let liar = Server::start(|_| Reply::new(200, "a lie"));
    let world = World::of(&[&liar]);
    let client = world.client();
    let look_ups = client.look_ups(LIMITS);
    let log = Log::default();
    for id in ["aa", "bb", "cc"] {
        let wanted = DebuginfodWanted { build_id: id, file: DebuginfodFile::Debuginfo, name: "x" };
        assert_eq!(look_ups.find(&wanted, &mut check, &log), None);
    }
    assert_eq!((log.count("started"), log.count("failed"), log.count("finished")), (3, 3, 0));
    assert!(
        texts(&world.options.cache).keys().all(|name| name.ends_with("_s")),
        "{:?}",
        texts(&world.options.cache)
    );
    let told = told(&look_ups);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("build ID aa") && told[0].ends_with("(and 2 more failures)"), "{told:#?}");
}

#[test]
fn a_server_that_stalls_is_left_for_another_and_not_asked_again() {
    let stalling = Server::start(|request| good(request).cut(6, End::Stall));
    let honest = Server::start(|request| good(request).after(Duration::from_millis(300)));
    let world =
        World::of(&[&stalling, &honest]).with(|options| options.timeout = Some(Duration::from_secs(1)));
    let client = world.client();
    let look_ups = client.look_ups(LIMITS);
    let start = Instant::now();
    assert!(find(&look_ups).is_some() && find_id(&look_ups, "ff").is_some());
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let told = told(&look_ups);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("it is not asked any more") && told[0].contains("debuginfo sent "), "{told:#?}");
    assert_eq!((stalling.requests().len(), honest.requests().len()), (1, 2));
}

#[test]
fn silence_uses_up_the_time_of_one_core_and_no_more() {
    let silent = Server::start(|request| good(request).after(Duration::from_secs(8)));
    let world = World::of(&[&silent]);
    let client = world.client();
    let limits = LookUpLimits { time: Duration::from_secs(1), count: 8 };
    let start = Instant::now();
    let first = client.look_ups(limits);
    assert_eq!((find(&first), find_id(&first, "ff")), (None, None));
    let second = client.look_ups(limits);
    assert_eq!(find(&second), None);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(silent.requests().len(), 1);
    let told_first = told(&first);
    assert!(
        told_first[0].contains("it is not asked any more") && told_first[0].contains("sent nothing for 1"),
        "{told_first:#?}"
    );
    assert!(
        told_first[1].starts_with("debuginfod: the 1 s for this core were used up: 1 file was not"),
        "{told_first:#?}"
    );
    // The next core's story says why it lacks names as well.
    assert!(told(&second)[0].contains("it is not asked any more"), "{:#?}", told(&second));
    assert!(!world.options.cache.exists(), "nothing is remembered as absent");
    drop(client);
    assert!(start.elapsed() < Duration::from_secs(4), "leaving waits for nobody");
}

#[test]
fn so_many_files_are_asked_for_and_no_more() {
    let server = Server::start(absent);
    let world = World::of(&[&server]);
    let client = world.client();
    let look_ups = client.look_ups(LookUpLimits { count: 2, ..LIMITS });
    // What is remembered costs nothing.
    for id in ["aa", "aa", "bb", "bb", "cc", "dd"] {
        assert_eq!(find_id(&look_ups, id), None);
    }
    assert_eq!(server.requests().len(), 2);
    assert_eq!(
        told(&look_ups),
        ["debuginfod: the 2 look-ups for this core were used up: 2 files were not looked up to the end"]
    );
}

#[test]
fn a_broken_transfer_is_begun_anew() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |request| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::new(503, "later"),
        1 => good(request).cut(5, End::Close),
        _ => good(request),
    });
    let world = World::of(&[&server]);
    let client = world.client();
    let look_ups = client.look_ups(LIMITS);
    assert_eq!(fs::read_to_string(find(&look_ups).unwrap()).unwrap(), "good bytes");
    assert!(told(&look_ups).is_empty());
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_server_that_fails_is_given_up_after_its_retries() {
    for (reply, requests, words) in [
        (Reply::new(500, "oops"), 3, "answered 500"),
        (Reply::new(403, "no"), 1, "answered 403"),
        (Reply::new(200, "good, but cut").cut(6, End::Close), 3, "request to"),
        (Reply::redirect("file:///etc/passwd"), 1, "leads away from the web"),
        (Reply::redirect("/again"), 11, "there were ten before it"),
    ] {
        let server = Server::start(move |_| reply.clone());
        let world = World::of(&[&server]);
        let client = world.client();
        let look_ups = client.look_ups(LIMITS);
        assert_eq!((find(&look_ups), find_id(&look_ups, "ff")), (None, None));
        assert_eq!(server.requests().len(), requests, "{words}");
        let told = told(&look_ups);
        assert!(told.len() == 1 && told[0].contains(words), "{told:#?}");
        assert!(!world.cached("debuginfo").exists());
    }
}

#[test]
fn what_is_too_large_is_not_taken() {
    let announced = |_: &Request| Reply::new(200, vec![b'x'; 2000]);
    let unannounced = |_: &Request| Reply::new(200, vec![b'x'; 200_000]).unannounced();
    let by_header = |_: &Request| Reply::new(200, "good").unannounced().header("X-DEBUGINFOD-SIZE", "2000");
    for server in [Server::start(announced), Server::start(unannounced), Server::start(by_header)] {
        let world = World::of(&[&server]).with(|options| options.max_size = Some(1000));
        let client = world.client();
        let look_ups = client.look_ups(LIMITS);
        assert_eq!(find(&look_ups), None);
        let told = told(&look_ups);
        assert!(told.len() == 1 && told[0].contains("has more than the 1000 bytes"), "{told:#?}");
        assert_eq!(server.requests()[0].header("x-debuginfod-maxsize"), Some("1000"));
        // It is asked for other files all the same.
        assert_eq!(find_id(&look_ups, "ff"), None);
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn a_body_without_length_is_compared_with_the_size_that_debuginfod_says() {
    let server = Server::start(|_| Reply::new(200, "good").unannounced().header("X-DEBUGINFOD-SIZE", "10"));
    let world = World::of(&[&server]).with(|options| options.retries = 0);
    let client = world.client();
    let look_ups = client.look_ups(LIMITS);
    assert_eq!(find(&look_ups), None);
    assert!(told(&look_ups)[0].contains("sent 4 bytes of 10"), "{:#?}", told(&look_ups));
}

#[test]
fn a_compressed_body_is_refused_unread() {
    let server = Server::start(|request| good(request).header("Content-Encoding", "gzip"));
    let world = World::of(&[&server]);
    let client = world.client();
    let look_ups = client.look_ups(LIMITS);
    assert_eq!(find(&look_ups), None);
    assert!(told(&look_ups)[0].contains("it is compressed"), "{:#?}", told(&look_ups));
}

#[test]
fn secrets_stay_with_the_server_that_was_configured() {
    let elsewhere = Server::start(good);
    let target = elsewhere.url();
    let server = Server::start(move |request| Reply::redirect(&format!("{target}{}", request.path)));
    let world = World::of(&[&server]);
    let headers = world.dir.path().join("headers");
    write(&headers, "X-Token: hush\n");
    let world = world.with(|options| options.headers_file = Some(headers));
    let client = world.client();
    let look_ups = client.look_ups(LIMITS);
    assert!(find(&look_ups).is_some());
    assert_eq!(server.requests()[0].header("x-token"), Some("hush"));
    assert_eq!(elsewhere.requests()[0].header("x-token"), None);
    // Without its headers a server is not asked at all.
    let world = World::of(&[&server]).with(|options| options.headers_file = Some("/nowhere/headers".into()));
    let client = world.client();
    let look_ups = client.look_ups(LIMITS);
    assert_eq!(find(&look_ups), None);
    assert!(told(&look_ups)[0].contains("/nowhere/headers"), "{:#?}", told(&look_ups));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_folder_is_a_server_too() {
    let server = Server::start(absent);
    let world = World::of(&[&server]);
    let (bad, folder) = (world.dir.path().join("bad"), world.dir.path().join("out put"));
    let path = format!("buildid/{ID}/debuginfo");
    write(&bad.join(&path), "a lie");
    write(&folder.join(&path), "good file");
    let urls = [bad.display().to_string(), folder.display().to_string().replace(' ', "%20")];
    let world = world.with(|options| options.servers.extend(urls.map(|path| format!("file://{path}"))));
    let client = world.client();
    let look_ups = client.look_ups(LIMITS);
    assert_eq!(find(&look_ups), Some(folder.join(&path)));
    assert!(server.requests().is_empty());
    assert_eq!(told(&look_ups), [format!("{}: not used: it is another one", bad.join(&path).display())]);
}

#[test]
fn what_the_cache_holds_is_checked_and_replaced() {
    let server = Server::start(good);
    let world = World::of(&[&server]);
    write(&world.cached("debuginfo"), "left by a client that believed a lie");
    let client = world.client();
    let look_ups = client.look_ups(LIMITS);
    assert_eq!(fs::read_to_string(find(&look_ups).unwrap()).unwrap(), "good bytes");
    assert_eq!(
        told(&look_ups),
        [format!("{}: not used: it is another one", world.cached("debuginfo").display())]
    );
}

#[test]
fn a_cache_that_can_t_be_written_is_told() {
    let server = Server::start(good);
    let world = World::of(&[&server]);
    write(&world.dir.path().join("file"), "");
    let cache = world.dir.path().join("file/cache");
    let world = world.with(|options| options.cache = cache);
    let client = world.client();
    let look_ups = client.look_ups(LIMITS);
    assert_eq!((find(&look_ups), find_id(&look_ups, "ff")), (None, None));
    let told = told(&look_ups);
    assert!(told.len() == 1 && told[0].starts_with("debuginfod: can't create"), "{told:#?}");
}

#[test]
fn nothing_is_asked_for_what_is_no_build_id() {
    let server = Server::start(good);
    let world = World::of(&[&server]);
    let client = world.client();
    let look_ups = client.look_ups(LIMITS);
    let checked = Cell::new(false);
    for build_id in ["", "..", "../x", "AB", "a b"] {
        let wanted = DebuginfodWanted { build_id, file: DebuginfodFile::Debuginfo, name: "x" };
        let mut check = |_: &Path| {
            checked.set(true);
            Ok(())
        };
        assert_eq!(look_ups.find(&wanted, &mut check, &NoProgress), None);
    }
    assert!(server.requests().is_empty() && !checked.get() && !world.options.cache.exists());
}
