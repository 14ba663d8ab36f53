//! Removing what nobody has used for long, as elfutils' client does before a look-up.
//!
//! `cache_clean_interval_s` says how often, and when it was done last, by the time of its own last change;
//! `max_unused_age_s` says how long a file stays after its last use (debuginfod-client-config(7)).

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::options::leading_number;

/// A day and a week, as in elfutils.
const INTERVAL: (&str, i64) = ("cache_clean_interval_s", 86_400);
const UNUSED: (&str, i64) = ("max_unused_age_s", 604_800);

/// Longest control file that is read; elfutils writes a number and nothing else.
const LONGEST_CONTROL: u64 = 64;

/// Reads a control file, which holds a number of seconds; writes it with its default where it isn't there.
pub(super) fn control(root: &Path, name: &str, default: i64) -> u64 {
    let path = root.join(name);
    let mut text = String::new();
    let read = match File::open(&path) {
        Ok(file) => file.take(LONGEST_CONTROL).read_to_string(&mut text).is_ok(),
        Err(_) => {
            // A cache that can't be written has the defaults.
            let _ = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o666)
                .open(&path)
                .and_then(|mut file| write!(file, "{default}"));
            false
        }
    };
    let seconds = if read && !text.is_empty() { leading_number(&text) } else { default };
    u64::try_from(seconds).unwrap_or(0)
}

/// Cleans the cache, unless that was done not long ago or there is none. What can't be removed stays.
pub(super) fn if_due(root: &Path, now: SystemTime) {
    let last = root.join(INTERVAL.0);
    if !root.is_dir() {
        return;
    }
    let known = last.exists();
    let interval = Duration::from_secs(control(root, INTERVAL.0, INTERVAL.1));
    let unused = Duration::from_secs(control(root, UNUSED.0, UNUSED.1));
    let done = fs::metadata(&last).and_then(|metadata| metadata.modified()).unwrap_or(now);
    if !known || now.duration_since(done).unwrap_or_default() < interval {
        return;
    }
    // First of all, so that others don't clean as well.
    let _ = File::options().write(true).open(&last).and_then(|file| file.set_modified(now));
    let old = |time: std::io::Result<SystemTime>| {
        time.is_ok_and(|time| now.duration_since(time).unwrap_or_default() >= unused)
    };
    for folder in entries(root).filter(|folder| is_id(&folder.file_name().to_string_lossy())) {
        if !folder.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let emptied = folder.metadata();
        for file in entries(&folder.path()).filter(|file| is_ours(&file.file_name().to_string_lossy())) {
            if file.metadata().is_ok_and(|metadata| metadata.is_file() && old(metadata.accessed())) {
                let _ = fs::remove_file(file.path());
            }
        }
        if emptied.is_ok_and(|metadata| old(metadata.modified())) {
            // It goes only if it is empty; one that others have just made is young.
            let _ = fs::remove_dir(folder.path());
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}

fn is_id(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_ours(name: &str) -> bool {
    matches!(name, "debuginfo" | "executable") || name.starts_with("source")
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    /// A cache that was cleaned two days ago, with files that were used that many days ago.
    fn cache(files: &[(&str, u32)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let age = |path: &Path, days: u32| {
            let time = SystemTime::now() - DAY * days;
            let times = FileTimes::new().set_accessed(time).set_modified(time);
            File::open(path).unwrap().set_times(times).unwrap();
        };
        for (name, days) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            age(&path, *days);
            age(path.parent().unwrap(), *days);
        }
        let last = dir.path().join(INTERVAL.0);
        fs::write(&last, "86400").unwrap();
        age(&last, 2);
        dir
    }

    fn left(dir: &tempfile::TempDir, names: &[&str]) -> Vec<bool> {
        names.iter().map(|name| dir.path().join(name).exists()).collect()
    }

    #[test]
    fn what_was_not_used_for_a_week_goes_and_nothing_else() {
        let names =
            ["aa/debuginfo", "bb/executable", "bb/source##a.c", "cc/notes", "xx/debuginfo", "dd/debuginfo"];
        let dir = cache(&[
            (names[0], 8),
            (names[1], 8),
            (names[2], 1),
            (names[3], 8),
            (names[4], 8),
            (names[5], 6),
        ]);
        if_due(dir.path(), SystemTime::now());
        assert_eq!(left(&dir, &names), [false, false, true, true, true, true]);
        assert_eq!(left(&dir, &["aa", "bb", UNUSED.0]), [false, true, true]);
        // That was it for today.
        fs::create_dir(dir.path().join("aa")).unwrap();
        fs::write(dir.path().join(UNUSED.0), "0").unwrap();
        if_due(dir.path(), SystemTime::now());
        assert_eq!(left(&dir, &["bb/source##a.c"]), [true]);
    }

    #[test]
    fn the_control_files_decide() {
        let dir = cache(&[("aa/debuginfo", 8), ("bb/debuginfo", 3)]);
        fs::write(dir.path().join(UNUSED.0), " 172800\n").unwrap();
        if_due(dir.path(), SystemTime::now());
        assert_eq!(left(&dir, &["aa", "bb"]), [false, false]);
        assert_eq!(control(dir.path(), UNUSED.0, 1), 172_800);
        assert_eq!(control(dir.path(), "cache_miss_s", 600), 600);
        assert_eq!(fs::read_to_string(dir.path().join("cache_miss_s")).unwrap(), "600");
    }

    #[test]
    fn a_cache_that_was_never_cleaned_begins_now() {
        let dir = cache(&[("aa/debuginfo", 8)]);
        fs::remove_file(dir.path().join(INTERVAL.0)).unwrap();
        if_due(dir.path(), SystemTime::now());
        assert_eq!(left(&dir, &["aa/debuginfo", INTERVAL.0]), [true, true]);
        if_due(&dir.path().join("absent"), SystemTime::now());
        assert!(!dir.path().join("absent").exists());
    }
}
