//! Cores in zstd frames, read where they are asked for.

use super::*;
use crate::frames::FrameWriter;
use crate::runs::{Run, runs};

/// Compresses as sealing does.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut writer = FrameWriter::new(Vec::new()).unwrap();
    runs(&bytes, bytes.len() as u64, &mut |run| match run {
        Run::Zeros(count) => {
            writer.zeros(count);
            Ok(())
        }
        Run::Data(bytes) => writer.data(bytes),
    })
    .unwrap();
    writer.finish().unwrap();
    writer.into_sink()
}

/// A core of `len` bytes whose frames differ.
fn long_core(len: usize) -> Vec<u8> {
    let mut bytes = core(1, 50_021);
    let data = bytes.split_off(64);
    bytes.extend(data.repeat(len / data.len() + 1));
    bytes.truncate(len);
    bytes
}

fn at(source: &dyn ReadAt, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let count = epitaph_elf::fill(source, offset, &mut bytes).unwrap();
    bytes.truncate(count);
    bytes
}

#[test]
fn only_the_frames_that_are_read_are_decompressed() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = long_core(20 << 20);
    bytes.resize(40 << 20, 0);
    bytes.extend(core(2, 100_000));
    let opened = open_core(&put(&dir.path().join("core.zst"), &sealed(&bytes))).unwrap();
    assert_eq!((opened.format, opened.size), ("elf.zst", bytes.len() as u64));
    let decompressed = || opened.frames_read().unwrap().decompressed;
    assert_eq!(opened.frames_read().unwrap().total, 22);
    assert_eq!(decompressed(), 1, "the header");
    // A frame's border, the zeros, and the end.
    for (offset, len, expected) in [
        (5_000_000, 100, 2),
        (5_000_100, 100, 2),
        ((10 << 20) - 50, 100, 4),
        (20 << 20, 20 << 20, 4),
        ((40 << 20) - 50, 100, 5),
        (bytes.len() as u64 - 10, 100, 5),
        (bytes.len() as u64, 100, 5),
        (u64::MAX, 100, 5),
    ] {
        let start = bytes.len().min(offset as usize);
        assert!(at(&opened.source, offset, len) == bytes[start..bytes.len().min(start + len)], "{offset}");
        assert_eq!(decompressed(), expected, "{offset}");
    }
    assert_eq!(opened.source.next_data(0), Some(0..20 << 20));
    assert_eq!(opened.source.next_data(30 << 20), Some(40 << 20..bytes.len() as u64));
    assert_eq!(opened.source.next_data(bytes.len() as u64), None);
    assert!(all(&opened.source) == bytes);
}

#[test]
fn frames_are_forgotten_when_there_are_too_many() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open_core(&put(&dir.path().join("core.zst"), &sealed(&long_core(10 << 20)))).unwrap();
    for _ in 0..2 {
        for frame in 0..10 {
            at(&opened.source, frame << 20, 100);
        }
    }
    // Eight are kept: each was forgotten when it was asked for again.
    assert_eq!(opened.frames_read().unwrap().decompressed, 20);
    at(&opened.source, 5 << 20, 100);
    assert_eq!(opened.frames_read().unwrap().decompressed, 20);
}

#[test]
fn many_threads_read_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = long_core(12 << 20);
    let opened = open_core(&put(&dir.path().join("core.zst"), &sealed(&bytes))).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (bytes, source) = (&bytes, &opened.source);
            scope.spawn(move || {
                for step in 0..10 {
                    let offset = (step * 7_654_321 + thread * 1_234_567) % (12 << 20);
                    let end = bytes.len().min(offset + 5000);
                    assert!(at(source, offset as u64, 5000) == bytes[offset..end]);
                }
            });
        }
    });
}

#[test]
fn a_broken_frame_costs_only_itself_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = long_core(3 << 20);
    let mut file = sealed(&bytes);
    let middle = file.len() / 2;
    file[middle] ^= 1;
    let opened = open_core(&put(&dir.path().join("core.zst"), &file)).unwrap();
    assert_eq!(opened.damage_so_far(), None);
    assert!(at(&opened.source, 2 << 20, 1 << 20) == bytes[2 << 20..]);
    let error = opened.source.read_at((1 << 20) + 5, &mut [0; 10]).unwrap_err();
    assert!(error.to_string().contains("the zstd frame at byte"), "{error}");
    assert_eq!(opened.damage_so_far(), Some(error.to_string()));
    assert!(at(&opened.source, 0, 1 << 20) == bytes[..1 << 20]);
}

#[test]
fn a_lying_table_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = long_core(3 << 20);
    let mut file = sealed(&bytes);
    // The content's size of the first frame: footer, three entries, and back to the second word of the first.
    let lie = file.len() - 9 - 3 * 8 + 4;
    file[lie] ^= 1;
    let opened = open_core(&put(&dir.path().join("core.zst"), &file)).unwrap();
    assert_eq!(opened.frames_read(), None);
    assert!(all(&opened.source) == bytes);
}

/// Whatever bit of the file is flipped: what is read is what a plain decoder reads, or it fails.
#[test]
fn a_flipped_bit_never_gives_other_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = FrameWriter::new(Vec::new()).unwrap();
    let header = core(1, 200);
    writer.data(&header).unwrap();
    writer.zeros(1 << 20);
    writer.data(&core(2, 300)).unwrap();
    writer.finish().unwrap();
    let file = writer.into_sink();
    let mut frame_by_frame = 0;
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok(opened) = open_core(&put(&dir.path().join("core.zst"), &flipped)) else { continue };
        let mut bytes = Vec::new();
        let read = crate::digest::for_each_chunk(&opened.source, |chunk| bytes.write_all(chunk));
        if opened.frames_read().is_some() {
            frame_by_frame += 1;
            assert!(
                read.is_err() || zstd::decode_all(flipped.as_slice()).is_ok_and(|plain| plain == bytes),
                "{bit}"
            );
        } else {
            assert!(
                opened.damage.is_some() || zstd::decode_all(flipped.as_slice()).unwrap() == bytes,
                "{bit}"
            );
        }
    }
    assert!(frame_by_frame > 100, "{frame_by_frame}");
}

#[test]
fn the_limits_hold_for_frames_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = FrameWriter::new(Vec::new()).unwrap();
    writer.data(&core(1, 100)).unwrap();
    writer.zeros(3 << 30);
    writer.finish().unwrap();
    let path = put(&dir.path().join("core.zst"), &writer.into_sink());
    let limits = OpenLimits { largest: 2 << 30, ..OpenLimits::default() };
    let opened = open_core_within(&path, &limits).unwrap();
    assert!(opened.frames_read().is_none());
    assert_eq!(opened.size, 2 << 30);
    assert!(opened.damage.is_some());

    for (content, message) in [
        (&b"hello"[..], "it is a file of another kind"),
        (&zst(&core(1, 100)), "compressed twice"),
        (b"", "empty"),
    ] {
        let error = open_core(&put(&dir.path().join("other.zst"), &sealed(content))).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    let mut broken = sealed(&core(1, 1000));
    broken[100] ^= 1;
    let error = open_core(&put(&dir.path().join("broken.zst"), &broken)).unwrap_err();
    assert!(matches!(error, OpenError::Broken { .. }), "{error}");
}
