use std::fs::File;
use std::io::Write;
use std::path::Path;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use epitaph_elf::ReadAt;

use super::*;
use crate::testing::{core, keys};

/// Bytes in a part that is encrypted by itself (age-encryption.org/v1, "Payload").
const CHUNK: usize = 64 << 10;

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 8)) as u8).collect()
}

fn sealed(folder: &Path, bytes: &[u8], recipients: &Recipients) -> std::path::PathBuf {
    let (plain, target) = (folder.join("plain"), folder.join("plain.age"));
    std::fs::write(&plain, bytes).unwrap();
    let size = encrypt_file(&plain, &target, recipients).unwrap();
    assert_eq!(size, target.metadata().unwrap().len());
    target
}

fn open(path: &Path, identities: &Identities) -> Result<Decrypted, CipherError> {
    Decrypted::open(path, File::open(path).unwrap(), identities)
}

#[test]
fn any_part_reads_back_at_the_borders_of_chunks_too() {
    let folder = tempfile::tempdir().unwrap();
    let (recipients, identities) = keys(folder.path());
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 77] {
        let bytes = content(len);
        let inside = open(&sealed(folder.path(), &bytes, &recipients), &identities).unwrap();
        assert_eq!(inside.size().unwrap(), len as u64);
        for (at, count) in [
            (0, 10),
            (2 * CHUNK + 5, 100),
            (CHUNK - 3, 7),
            (0, len),
            (len, 5),
            (len + CHUNK, 5),
            (CHUNK, 1),
            (1, CHUNK),
        ] {
            let mut read = vec![0; count];
            let got = inside.read_at(at as u64, &mut read).unwrap();
            let expected = bytes.get(at.min(len)..(at + count).min(len)).unwrap_or_default();
            assert_eq!(&read[..got], expected, "{count} bytes from {at} of {len}");
        }
    }
}

#[test]
fn only_recipients_can_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let (recipients, _) = keys(folder.path());
    let path = sealed(folder.path(), b"hush", &recipients);
    let (_, others) = keys(folder.path());
    let error = open(&path, &others).err().unwrap();
    assert!(matches!(error, CipherError::ForOthers { .. }), "{error}");
    assert!(!std::fs::read(&path).unwrap().windows(4).any(|bytes| bytes == b"hush"));
}

#[test]
fn what_is_cut_or_changed_is_refused_and_what_is_whole_still_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (recipients, identities) = keys(folder.path());
    let bytes = content(4 * CHUNK);
    let path = sealed(folder.path(), &bytes, &recipients);
    let whole = std::fs::read(&path).unwrap();
    for len in [0, 10, 21, 100, whole.len() - CHUNK, whole.len() - 1] {
        std::fs::write(&path, &whole[..len]).unwrap();
        let error = open(&path, &identities).err().unwrap();
        assert!(matches!(error, CipherError::Damaged { .. }), "{len}: {error}");
    }
    let mut changed = whole.clone();
    let middle = whole.len() - 2 * CHUNK - CHUNK / 2;
    changed[middle] ^= 1;
    std::fs::write(&path, &changed).unwrap();
    let inside = open(&path, &identities).unwrap();
    let (mut there, mut after) = ([0; 4], [0; 4]);
    inside.read_at((CHUNK + CHUNK / 2) as u64, &mut there).unwrap_err();
    assert_eq!(inside.read_at(3 * CHUNK as u64, &mut after).unwrap(), 4);
    assert_eq!(after, bytes[3 * CHUNK..3 * CHUNK + 4]);
}

#[test]
fn a_header_without_an_end_costs_little() {
    let folder = tempfile::tempdir().unwrap();
    let (_, identities) = keys(folder.path());
    let path = folder.path().join("crafted.age");
    let mut file = File::create(&path).unwrap();
    file.write_all(MAGIC).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = open(&path, &identities).err().unwrap();
    assert!(matches!(error, CipherError::Damaged { .. }), "{error}");
}

#[test]
fn keys_are_told_apart_and_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let key = Identity::generate();
    let private = key.to_string().expose_secret().to_owned();
    let mut recipients = Recipients::default();
    let error = recipients.add(&private, "--encrypt").unwrap_err();
    assert!(matches!(error, CipherError::Private { .. }));
    for text in [error.to_string(), error.hint().unwrap(), format!("{error:?}")] {
        assert!(!text.contains(&private), "{text}");
    }
    for bad in ["", "age1", "ssh-ed25519 AAAA", "age1qqqq", &key.to_public().to_string().to_uppercase()[1..]]
    {
        assert!(matches!(recipients.add(bad, "x"), Err(CipherError::NotARecipient { .. })), "{bad}");
    }
    let file = folder.path().join("team.txt");
    std::fs::write(&file, format!("# the team\n\n{}\r\n", key.to_public())).unwrap();
    recipients.add_file(&file).unwrap();
    assert_eq!(recipients.names(), [key.to_public().to_string()]);
    std::fs::write(&file, "# nobody\n").unwrap();
    assert!(matches!(recipients.add_file(&file), Err(CipherError::NoKeys { .. })));
    let mut identities = Identities::default();
    assert!(matches!(identities.add_file(&file), Err(CipherError::NoKeys { .. })));
    std::fs::write(&file, format!("{private}\ngarbage\n")).unwrap();
    let error = identities.add_file(&file).unwrap_err();
    assert!(matches!(error, CipherError::NotIdentities { .. }), "{error}");
    assert!(!format!("{error:?}{error}{identities:?}").contains(&private));
}

#[test]
fn only_cores_are_decrypted_and_nothing_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (recipients, identities) = keys(folder.path());
    let place = folder.path().join("crashes/x");
    std::fs::create_dir_all(&place).unwrap();
    let core = core(1, 5000);
    for (name, bytes) in [("core.age", &core[..]), ("diary.age", b"dear diary")] {
        std::fs::rename(sealed(folder.path(), bytes, &recipients), place.join(name)).unwrap();
    }
    std::fs::write(place.join("garbage.age"), "no age file").unwrap();
    let files = ["core.age", "diary.age", "garbage.age", "a core"].map(|name| place.join(name));
    std::fs::write(&files[3], "not for this").unwrap();
    let decrypt = || {
        let done = decrypt_cores(&files, &identities);
        (done.cores, done.failed, done.for_others.len())
    };
    for _ in 0..2 {
        let (cores, failed, for_others) = decrypt();
        assert_eq!((cores, failed.len(), for_others), (1, 0, 0), "{failed:?}");
    }
    assert_eq!(std::fs::read(place.join("core")).unwrap(), core);
    assert!(!place.join("diary").exists() && !place.join("garbage").exists());

    // Something else of the same name, be it as large as the core.
    for others in [vec![b'x'; core.len()], b"mine".to_vec()] {
        std::fs::write(place.join("core"), &others).unwrap();
        let (cores, failed, _) = decrypt();
        assert!(cores == 0 && matches!(failed[..], [CipherError::Taken { .. }]), "{failed:?}");
        assert_eq!(std::fs::read(place.join("core")).unwrap(), others);
    }
    std::fs::remove_file(place.join("core")).unwrap();
    std::os::unix::fs::symlink("nowhere", place.join("core")).unwrap();
    assert!(matches!(decrypt().1[..], [CipherError::Taken { .. }]));
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 5, "nothing unfinished is left");
}

#[test]
fn what_is_for_others_is_a_failure_only_where_it_is_named_like_a_core() {
    let folder = tempfile::tempdir().unwrap();
    let (_, identities) = keys(folder.path());
    let elsewhere = tempfile::tempdir().unwrap();
    let (others, _) = keys(elsewhere.path());
    let files = ["core.4711.age", "secrets.yaml.age"].map(|name| {
        let path = folder.path().join(name);
        std::fs::rename(sealed(folder.path(), &core(1, 5000), &others), &path).unwrap();
        path
    });
    let done = decrypt_cores(&files, &identities);
    let is_about = |error: &CipherError, path: &Path| matches!(error, CipherError::ForOthers { path: about } if about == path);
    assert!(matches!(&done.failed[..], [error] if is_about(error, &files[0])), "{done:?}");
    assert!(matches!(&done.for_others[..], [error] if is_about(error, &files[1])), "{done:?}");
}
