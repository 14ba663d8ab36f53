//! Small ELF files for the tests, laid out here by the ELF specification and not by the code under test.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use age::secrecy::ExposeSecret;

use crate::cipher::{Identities, Recipients};

const ET_REL: u16 = 1;
const ET_DYN: u16 = 3;
const ET_CORE: u16 = 4;
const NOBITS: u32 = 8;
const PROGBITS: u32 = 1;

/// Makes a pair of keys, the private one in a file in `folder`.
pub(crate) fn keys(folder: &Path) -> (Recipients, Identities) {
    let key = age::x25519::Identity::generate();
    let file = folder.join("key.txt");
    std::fs::write(&file, format!("# mine\n{}\n", key.to_string().expose_secret())).unwrap();
    let (mut recipients, mut identities) = (Recipients::default(), Identities::default());
    recipients.add(&key.to_public().to_string(), "here").unwrap();
    identities.add_file(&file).unwrap();
    (recipients, identities)
}

/// Which kind of program file to make.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Half {
    /// Code, no debug information.
    Stripped,
    /// Debug information, no code.
    DebugOnly,
    /// Debug information that dwz took out of several files.
    Supplementary,
    /// Split debug information.
    Split,
}

fn header(kind: u16, segments: u16, sections: Option<(u64, u16)>) -> Vec<u8> {
    let (section_offset, section_count) = sections.unwrap_or_default();
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend(kind.to_le_bytes());
    bytes.extend(62u16.to_le_bytes()); // x86-64
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.extend(if segments > 0 { 64u64 } else { 0 }.to_le_bytes());
    bytes.extend(section_offset.to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    for half in [64, 56, segments, 64, section_count, section_count.saturating_sub(1)] {
        bytes.extend(half.to_le_bytes());
    }
    bytes
}

/// A core's header, followed by bytes that differ from seed to seed and don't compress.
pub(crate) fn core(seed: u32, len: usize) -> Vec<u8> {
    let mut bytes = header(ET_CORE, 0, None);
    let mut state = seed;
    bytes.extend(
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8 | 1
        })
        .take(len.saturating_sub(64)),
    );
    bytes
}

/// A program file, with a build ID or without.
pub(crate) fn program(build_id: Option<&[u8]>, half: Half) -> Vec<u8> {
    let mut note = Vec::new();
    if let Some(id) = build_id {
        for word in [4, id.len() as u32, 3] {
            note.extend(word.to_le_bytes());
        }
        note.extend(b"GNU\0");
        note.extend(id);
        note.resize(note.len().next_multiple_of(4), 0);
    }
    let note_offset: u64 = 64 + 56;
    let (kind, names) = match half {
        Half::Stripped | Half::DebugOnly => (ET_DYN, &b"\0.text\0.debug_info\0.shstrtab\0"[..]),
        Half::Supplementary => (ET_REL, &b"\0.none\0.debug_info\0.shstrtab\0"[..]),
        Half::Split => (ET_REL, &b"\0.none\0.debug_info.dwo\0.shstrtab\0"[..]),
    };
    let data_offset = note_offset + note.len() as u64;
    let names_offset = data_offset + 8;
    let sections_offset = (names_offset + names.len() as u64).next_multiple_of(8);
    let (text, debug) = match half {
        Half::Stripped => (PROGBITS, NOBITS),
        _ => (NOBITS, PROGBITS),
    };

    let mut bytes = header(kind, 1, Some((sections_offset, 4)));
    bytes.extend(4u32.to_le_bytes()); // PT_NOTE
    bytes.extend(4u32.to_le_bytes());
    for word in [note_offset, 0, 0, note.len() as u64, note.len() as u64, 4] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(&note);
    bytes.extend([0xc3; 8]);
    bytes.extend(names);
    bytes.resize(sections_offset as usize, 0);
    let sections = [
        (0, 0, 0, 0),
        (1, text, data_offset, 8),
        (7, debug, data_offset, 8),
        (names.len() - b".shstrtab\0".len(), 3, names_offset, names.len() as u64),
    ];
    for (name, kind, offset, size) in sections {
        bytes.extend((name as u32).to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        for word in [0, 0, offset, size, 0, 1, 0] {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes
}

/// Writes a file, creating the folders above it.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
    path.to_owned()
}

/// Writes a sparse core of `size` bytes with a page of data here and there; returns its bytes on disk.
pub(crate) fn put_sparse(path: &Path, size: u64) -> u64 {
    use std::os::unix::fs::MetadataExt;

    let file = std::fs::File::create(path).unwrap();
    file.set_len(size).unwrap();
    file.write_all_at(&core(1, 4096), 0).unwrap();
    for at in [size / 3, size / 2, size - 4096] {
        file.write_all_at(&core(at as u32, 4096), at / 4096 * 4096).unwrap();
    }
    file.sync_all().unwrap();
    file.metadata().unwrap().blocks() * 512
}

/// A moment in the past, a whole number of seconds.
pub(crate) fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}
