//! Archives as an enemy would make them, and those that real programs make.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Command;

use epitaph_store::{NoProgress, Pulled, Selection};
use epitaph_testkit::server::{Reply, Request, Server};
use epitaph_testkit::skip::skipped;
use serde_json::json;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::support::circle::file;
use crate::support::github::{archive, artifact, asked_archive, is_list, list, store};
use crate::support::texts;

/// Pulls a run with one artifact into `target` of a folder.
fn pull(archive: Vec<u8>, outer: &Path) -> Pulled {
    pull_named("logs", archive, outer)
}

fn pull_named(name: &str, archive: Vec<u8>, outer: &Path) -> Pulled {
    let listed = artifact(0, name, &archive);
    let server = Server::start(move |request: &Request| match asked_archive(request) {
        _ if is_list(request) => list(std::slice::from_ref(&listed)),
        Some(0) => file(request, &archive, "\"t\""),
        _ => Reply::new(404, ""),
    });
    store(&server.url()).pull(&outer.join("target"), &Selection::default(), &NoProgress).unwrap()
}

/// The reasons why files failed.
fn reasons(pulled: &Pulled) -> String {
    let reasons: Vec<String> =
        pulled.failed.iter().map(|failed| format!("{}: {}", failed.path, failed.error)).collect();
    reasons.join("\n")
}

#[test]
fn no_file_leaves_the_folder_of_its_artifact() {
    let names = ["../up", "a/../../up", "/etc/absolute", "..", "a//b", "./c", "..\\up", "good"];
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, &b"evil"[..])).collect();
    let outer = tempfile::tempdir().unwrap();
    let pulled = pull(archive(&files), outer.path());
    let found: Vec<String> = texts(outer.path()).into_keys().collect();
    assert_eq!(found, ["target/logs/..%5Cup", "target/logs/good"], "{}", reasons(&pulled));
    assert_eq!(pulled.failed.len(), 6, "{}", reasons(&pulled));
}

#[test]
fn an_artifact_s_name_is_one_folder() {
    for name in ["..", "../x", "a/b", ".epitaph-pull", "", "/etc"] {
        let outer = tempfile::tempdir().unwrap();
        let pulled = pull_named(name, archive(&[("f", b"x")]), outer.path());
        assert_eq!(pulled.failed.len(), 1, "{name}");
        assert!(reasons(&pulled).contains("unsafe artifact path"), "{name}: {}", reasons(&pulled));
        assert!(texts(outer.path()).is_empty(), "{name}");
    }
}

#[test]
fn links_are_left_out_and_told() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("link", "/etc", SimpleFileOptions::default()).unwrap();
    zip.start_file("link/passwd", SimpleFileOptions::default()).unwrap();
    zip.write_all(b"evil").unwrap();
    let outer = tempfile::tempdir().unwrap();
    let pulled = pull(zip.finish().unwrap().into_inner(), outer.path());
    assert_eq!(texts(outer.path()), [("target/logs/link/passwd".into(), "evil".into())].into());
    assert!(pulled.warnings[0].message.contains("`link` is a symbolic link"), "{:?}", pulled.warnings);
}

#[test]
fn a_file_where_a_folder_is_costs_only_itself() {
    let outer = tempfile::tempdir().unwrap();
    let pulled = pull(archive(&[("a/b", b"1"), ("a", b"2"), ("c", b"3")]), outer.path());
    assert_eq!(texts(outer.path()).into_values().collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(pulled.failed.len(), 1, "{}", reasons(&pulled));
}

#[test]
fn damage_is_found_out() {
    let whole = archive(&[("a", &[7; 5000]), ("b", b"intact")]);
    // The digest of the list is checked before anything is unpacked.
    let listed = artifact(0, "logs", b"something else");
    let served = whole.clone();
    let server = Server::start(move |request: &Request| match asked_archive(request) {
        _ if is_list(request) => list(std::slice::from_ref(&listed)),
        _ => Reply::new(200, served.clone()),
    });
    let dir = tempfile::tempdir().unwrap();
    let pulled = store(&server.url()).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert!(reasons(&pulled).contains("arrived damaged: expected sha256"), "{}", reasons(&pulled));
    assert!(texts(dir.path()).is_empty());

    // Where the list tells no digest, each file's own sum is checked.
    let mut broken = whole.clone();
    // The compressed data of the first file follow its header of 30 bytes and its name.
    broken[33] ^= 0x55;
    let mut listed = artifact(0, "logs", &broken);
    listed["digest"] = json!(null);
    let server = Server::start(move |request: &Request| match asked_archive(request) {
        _ if is_list(request) => list(std::slice::from_ref(&listed)),
        _ => Reply::new(200, broken.clone()),
    });
    let dir = tempfile::tempdir().unwrap();
    let pulled = store(&server.url()).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!(pulled.failed.len(), 1, "{}", reasons(&pulled));
    assert_eq!(pulled.fetched, 1);

    for cut in [0, 4, 30, whole.len() / 2, whole.len() - 1] {
        let outer = tempfile::tempdir().unwrap();
        let pulled = pull(whole[..cut].to_vec(), outer.path());
        let raw = usize::from(cut < 4);
        assert_eq!(
            (pulled.failed.len(), pulled.fetched),
            (1 - raw, raw as u64),
            "{cut}: {}",
            reasons(&pulled)
        );
    }
}

#[test]
fn an_archive_that_claims_too_much_is_refused() {
    // 100 entries that share one piece of data, as in the densest bombs.
    let whole = archive(&[("a", &vec![0; 1 << 20])]);
    let entry = whole.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let end = whole.windows(4).position(|window| window == b"PK\x05\x06").unwrap();
    let mut bomb = whole[..entry].to_vec();
    for index in 0..100u8 {
        let mut listed = whole[entry..end].to_vec();
        listed[46] = b'!' + index;
        bomb.extend(listed);
    }
    let size = (bomb.len() - entry) as u32;
    bomb.extend(&whole[end..end + 8]);
    bomb.extend(100u16.to_le_bytes());
    bomb.extend(100u16.to_le_bytes());
    bomb.extend(size.to_le_bytes());
    bomb.extend((entry as u32).to_le_bytes());
    bomb.extend([0, 0]);
    let outer = tempfile::tempdir().unwrap();
    let pulled = pull(bomb, outer.path());
    assert!(reasons(&pulled).contains("they overlap"), "{}", reasons(&pulled));

    // A size that isn't true, both ways.
    for claimed in [10u32, 2 << 20, u32::MAX - 1] {
        let mut lying = whole.clone();
        lying[entry + 24..entry + 28].copy_from_slice(&claimed.to_le_bytes());
        let outer = tempfile::tempdir().unwrap();
        let pulled = pull(lying, outer.path());
        assert_eq!(pulled.failed.len(), 1, "{claimed}: {}", reasons(&pulled));
        assert!(texts(outer.path()).is_empty(), "{claimed}");
    }
}

#[test]
fn a_list_without_end_is_not_read() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let folder = "x".repeat(60_000);
    for index in 0..300 {
        zip.start_file(format!("{folder}{index}"), stored).unwrap();
    }
    let outer = tempfile::tempdir().unwrap();
    let pulled = pull(zip.finish().unwrap().into_inner(), outer.path());
    assert!(reasons(&pulled).contains("its list of files is too long"), "{}", reasons(&pulled));
}

/// Runs a program in a folder, or says that it is missing.
fn made_by(program: &str, arguments: &[&str], dir: &Path) -> bool {
    match Command::new(program).args(arguments).current_dir(dir).output() {
        Ok(output) => {
            assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
            true
        }
        Err(error) => {
            skipped(&format!("an archive made by {program}: {error}"));
            false
        }
    }
}

#[test]
fn archives_of_real_programs_are_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("in/größe")).unwrap();
    fs::write(dir.path().join("in/größe/core"), vec![5; 100_000]).unwrap();
    fs::write(dir.path().join("in/empty"), "").unwrap();
    let python = "import zipfile, sys
with zipfile.ZipFile('python.zip', 'w', zipfile.ZIP_DEFLATED) as z:
    z.write('in/größe/core'); z.write('in/empty')
class Pipe:
    def __init__(self, f): self.f = f
    def write(self, b): return self.f.write(b)
    def flush(self): self.f.flush()
with open('streamed.zip', 'wb') as f, zipfile.ZipFile(Pipe(f), 'w', zipfile.ZIP_DEFLATED) as z:
    with z.open('in/größe/core', 'w', force_zip64=True) as member: member.write(open('in/größe/core', 'rb').read())
    z.writestr('in/empty', '')
";
    let mut made = Vec::new();
    if made_by("python3", &["-c", python], dir.path()) {
        made.extend(["python.zip", "streamed.zip"]);
    }
    if made_by("zip", &["-q", "-r", "info.zip", "in"], dir.path())
        && made_by("zip", &["-q", "-r", "-fz", "zip64.zip", "in"], dir.path())
    {
        made.extend(["info.zip", "zip64.zip"]);
    }
    for name in made {
        let outer = tempfile::tempdir().unwrap();
        let pulled = pull(fs::read(dir.path().join(name)).unwrap(), outer.path());
        assert!(pulled.failed.is_empty(), "{name}: {}", reasons(&pulled));
        let found = texts(outer.path());
        assert_eq!(found.len(), 2, "{name}");
        assert_eq!(found["target/logs/in/größe/core"].len(), 100_000, "{name}");
        assert_eq!(found["target/logs/in/empty"], "", "{name}");
    }
}

#[test]
fn zeros_come_back_as_holes() {
    use std::os::unix::fs::MetadataExt;
    let outer = tempfile::tempdir().unwrap();
    let core = [vec![1; 8192], vec![0; 32 << 20], vec![2; 100]].concat();
    let pulled = pull(archive(&[("core", &core)]), outer.path());
    assert_eq!(pulled.fetched, 1, "{}", reasons(&pulled));
    let path = outer.path().join("target/logs/core");
    assert!(fs::read(&path).unwrap() == core);
    assert!(fs::metadata(&path).unwrap().blocks() * 512 < 1 << 20);
}

#[test]
fn an_artifact_gets_into_no_folder_of_the_user_s() {
    for name in [".git", ".vscode"] {
        let outer = tempfile::tempdir().unwrap();
        let config = outer.path().join("target/.git/config");
        fs::create_dir_all(config.parent().unwrap()).unwrap();
        fs::write(&config, "mine").unwrap();
        let files: [(&str, &[u8]); 2] = [("config", b"[core]\nfsmonitor = evil"), ("tasks.json", b"{}")];
        let pulled = pull_named(name, archive(&files), outer.path());
        assert_eq!((pulled.fetched, pulled.failed.len()), (0, 2), "{}", reasons(&pulled));
        assert_eq!(texts(outer.path()), [("target/.git/config".to_owned(), "mine".to_owned())].into());
    }
}
