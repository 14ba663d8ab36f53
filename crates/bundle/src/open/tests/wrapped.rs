//! Cores in wrappers: whole, in parts, broken off, crafted.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use epitaph_elf::NotKept;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::*;

/// Compresses bytes into one frame, member or stream.
type Compress = fn(&[u8]) -> Vec<u8>;

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn bz2(bytes: &[u8]) -> Vec<u8> {
    let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut out = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn lz4_frame(bytes: &[u8], mode: BlockMode) -> Vec<u8> {
    let info = FrameInfo::new().block_mode(mode).block_size(BlockSize::Max64KB);
    let info = info.block_checksums(true).content_checksum(true).content_size(Some(bytes.len() as u64));
    let mut out = FrameEncoder::with_frame_info(info, Vec::new());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    lz4_frame(bytes, BlockMode::Independent)
}

fn lz4_linked(bytes: &[u8]) -> Vec<u8> {
    lz4_frame(bytes, BlockMode::Linked)
}

/// The format of `lz4 -l`, which libraries no longer write.
fn lz4_legacy(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x02, 0x21, 0x4c, 0x18];
    for block in bytes.chunks(8 << 20) {
        let block = lz4_flex::block::compress(block);
        out.extend((block.len() as u32).to_le_bytes());
        out.extend(block);
    }
    out
}

/// A report with two fields, as apport lays it out: the stream's header on a line of its own.
fn apport(bytes: &[u8], compress: Compress) -> Vec<u8> {
    let stream = compress(bytes);
    let (head, tail) = stream.split_at(10);
    let mut out = b"ProblemType: Crash\nSignal: 11\nCoreDump: base64\n".to_vec();
    for line in [head].into_iter().chain(tail.chunks(1 << 17)) {
        out.extend(format!(" {}\n", STANDARD.encode(line)).bytes());
    }
    out.extend(b"Tags: amd64\n");
    out
}

const WRAPPERS: [(&str, Compress); 9] = [
    ("elf.zst", zst),
    ("elf.gz", gz),
    ("elf.xz", xz),
    ("elf.lz4", lz4),
    ("elf.lz4", lz4_linked),
    ("elf.lz4", lz4_legacy),
    ("elf.bz2", bz2),
    ("apport", |bytes| apport(bytes, gz)),
    ("apport", |bytes| apport(bytes, zst)),
];

/// A core that compresses to about half, near and far.
fn compressible(len: usize) -> Vec<u8> {
    let random = core(3, len);
    random.chunks(3000).flat_map(|part| [part, part].concat()).take(len).collect()
}

#[test]
fn each_wrapper_gives_the_same_core() {
    let dir = tempfile::tempdir().unwrap();
    for bytes in [compressible(600_000), core(7, 200_000), core(1, 64)] {
        for (format, compress) in WRAPPERS {
            let path = put(&dir.path().join("some name"), &compress(&bytes));
            let opened = open_core(&path).unwrap_or_else(|error| panic!("{format}: {error}"));
            assert_eq!((opened.format, opened.damage.as_deref()), (format, None));
            assert!(all(&opened.source) == bytes, "{format}");
            let found = found(dir.path());
            assert_eq!(found.len(), 1, "{format} in a tree");
        }
    }
}

#[test]
fn parts_are_joined() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = compressible(1 << 20);
    let (head, tail) = bytes.split_at(500_000);
    for (format, compress) in &WRAPPERS[..7] {
        let skippable = if format.ends_with("lz4") { &b"\x51\x2a\x4d\x18\x03\0\0\0abc"[..] } else { b"" };
        // After a legacy frame, whatever isn't the beginning of another frame is its next block.
        let skippable = if compress(b"a").starts_with(b"\x02") { b"" } else { skippable };
        let parts = [&compress(head), skippable, &compress(tail)].concat();
        let opened = open_core(&put(&dir.path().join("core"), &parts)).unwrap();
        assert_eq!(opened.damage, None, "{format}");
        assert!(all(&opened.source) == bytes, "{format}");
    }
}

#[test]
fn what_breaks_off_gives_what_comes_before() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = compressible(600_000);
    for (format, compress) in WRAPPERS {
        let whole = compress(&bytes);
        let half = &whole[..whole.len() / 2];
        let mut broken = vec![("cut", half.to_vec()), ("bad tail", [half, &[0xff; 4096]].concat())];
        if format != "apport" {
            broken.push(("rubbish after it", [whole.as_slice(), b"rubbish!"].concat()));
        }
        for (name, broken) in broken {
            let opened = open_core(&put(&dir.path().join("core.zst"), &broken)).unwrap();
            assert!(
                opened.damage.as_deref().is_some_and(|why| why.contains("breaks off")),
                "{format}, {name}: {:?}",
                opened.damage
            );
            let inside = all(&opened.source);
            let true_ones = inside.iter().zip(&bytes).take_while(|(inside, byte)| inside == byte).count();
            assert!(true_ones > bytes.len() / 4, "{format}, {name}: {true_ones}");
            // Rubbish is found out by a checksum behind it, if at all; what is cut is cut.
            assert!(true_ones == inside.len() || name == "bad tail", "{format}, {name}");
        }
    }
}

#[test]
fn a_cut_at_any_byte_is_told_and_nothing_is_made_up() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = compressible(10_000);
    for (format, compress) in WRAPPERS {
        let whole = compress(&bytes);
        // Behind the core, a report may end anywhere.
        let end = if format == "apport" { whole.len() - 20 } else { whole.len() };
        for len in (0..end).step_by(97).chain([end - 1]) {
            let Ok(opened) = open_core(&put(&dir.path().join("core"), &whole[..len])) else { continue };
            assert!(bytes.starts_with(&all(&opened.source)), "{format} cut at {len}");
            assert!(opened.damage.is_some(), "{format} cut at {len}");
        }
    }
}

#[test]
fn crafted_streams_end() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = compressible(2000);
    for (_, compress) in WRAPPERS {
        let whole = compress(&bytes);
        for at in (0..whole.len()).take(64) {
            for flip in [0x01, 0x80, 0xff] {
                let mut crafted = whole.clone();
                crafted[at] ^= flip;
                let limits = OpenLimits { largest: 64 << 20, ..OpenLimits::default() };
                let path = put(&dir.path().join("core"), &crafted);
                let _ = open_core_within(&path, &limits);
            }
        }
    }
}

#[test]
fn a_bomb_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let mut zeros = core(1, 64);
    zeros.resize(4 << 20, 0);
    let limits = OpenLimits { largest: 1 << 20, ..OpenLimits::default() };
    for (format, compress) in WRAPPERS {
        let path = put(&dir.path().join("core"), &compress(&zeros));
        let opened = open_core_within(&path, &limits).expect(format);
        assert!((1 << 20..2 << 20).contains(&opened.size), "{format}: {}", opened.size);
        assert!(opened.damage.unwrap().contains("was not read"), "{format}");
    }
}

#[test]
fn what_was_not_kept_is_fetched_a_few_times() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = core(1, 4 << 20);
    let path = put(&dir.path().join("core.zst"), &zst(&bytes));
    let open = |passes| {
        open_core_within(&path, &OpenLimits { memory: 256 << 10, passes, ..OpenLimits::default() }).unwrap()
    };
    let opened = open(3);
    assert!(all(&opened.source) == bytes);
    // The same once more, after all was given up.
    opened.release();
    assert!(all(&opened.source) == bytes);
    assert_eq!(opened.refused_reads(), 0);
    let opened = open(1);
    let error = opened.source.read_at(3 << 20, &mut [0]).and(opened.source.read_at(1 << 20, &mut [0]));
    assert_eq!(NotKept::of(&error.unwrap_err()), Some(NotKept { offset: 1 << 20 }));
    assert_eq!(opened.refused_reads(), 1);
    // Whoever wants all of it in order gets it in any case.
    let mut whole = Vec::new();
    opened.source.in_order().unwrap().unwrap().read_to_end(&mut whole).unwrap();
    assert!(whole == bytes);
}

#[test]
fn a_pipe_gives_what_a_file_gives_but_once() {
    let limits = OpenLimits { memory: 256 << 10, ..OpenLimits::default() };
    let bytes = core(1, 4 << 20);
    for (format, input) in WRAPPERS.map(|(format, compress)| (format, compress(&bytes))) {
        let dir = tempfile::tempdir().unwrap();
        let file = File::open(put(&dir.path().join("core"), &input)).unwrap();
        let opened = open_core_pipe(Path::new("a pipe"), file, &limits).unwrap();
        assert_eq!((opened.format, opened.size, &opened.damage), (format, 4 << 20, &None));
        let mut head = [0; 4096];
        assert_eq!(opened.source.read_at(0, &mut head).unwrap(), head.len());
        assert!(bytes.starts_with(&head), "{format}");
        let error = opened.source.read_at(3 << 20, &mut head).unwrap_err();
        assert!(NotKept::of(&error).is_some() && opened.refused_reads() == 1, "{format}");
        assert!(opened.source.in_order().unwrap().is_none(), "{format}");
    }
}

#[test]
fn an_xz_stream_that_asks_for_gigabytes_is_refused() {
    let mut options = lzma_rust2::XzOptions::with_preset(1);
    options.lzma_options.dict_size = 1 << 29;
    let mut out = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    out.write_all(&core(1, 1000)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let error = open_core(&put(&dir.path().join("core.xz"), &out.finish().unwrap())).unwrap_err();
    assert!(matches!(error, OpenError::Broken { wrapper: "xz", .. }), "{error}");
}

#[test]
fn the_tools_of_the_day_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = compressible(2 << 20);
    let plain = put(&dir.path().join("plain"), &bytes);
    for command in
        ["gzip -c", "xz -0 -c", "zstd -q -c", "bzip2 -c", "lz4 -q -c", "lz4 -q -l -c", "lz4 -q -BD -9 -c"]
    {
        let mut words = command.split(' ');
        let tool = words.next().unwrap_or_default();
        let output = std::process::Command::new(tool).args(words).arg(&plain).output();
        let Ok(output) = output.inspect_err(|_| skipped(&format!("{tool} is not installed"))) else {
            continue;
        };
        assert!(output.status.success(), "{command}");
        let opened = open_core(&put(&dir.path().join("core"), &output.stdout)).unwrap();
        assert_eq!(opened.damage, None, "{command}");
        assert!(all(&opened.source) == bytes, "{command}");
    }
}

#[test]
fn stores_of_other_collectors_tell_what_they_know() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = core(1, 1000);
    let boot = "0123456789abcdef0123456789abcdef";
    let systemd =
        put(&dir.path().join(format!("core.parser.1000.{boot}.4711.1700000000000000.zst")), &zst(&bytes));
    let opened = open_core(&systemd).unwrap();
    let store = opened.store.as_ref().unwrap();
    assert_eq!((store.collector, store.process.pid), ("systemd-coredump", Some(4711)));
    assert_eq!(opened.died(), store.time);
    let report = put(&dir.path().join("_usr_bin_parser.1000.crash"), &apport(&bytes, gz));
    let opened = open_core(&report).unwrap();
    let store = opened.store.as_ref().unwrap();
    assert_eq!((store.collector, store.signal), ("apport", Some(11)));
    assert_eq!(opened.died(), opened.modified);
    let problem = dir.path().join("ccpp-1");
    put(&problem.join("type"), b"CCpp");
    put(&problem.join("pid"), b"12");
    let coredump = put(&problem.join("coredump.lz4"), &lz4(&bytes));
    assert_eq!(open_core(&coredump).unwrap().store.unwrap().process.pid, Some(12));
    // All of them are found.
    let found: Vec<_> = found(dir.path()).into_iter().filter_map(|crash| crash.core).collect();
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn attributes_of_systemd_are_read_where_the_file_system_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = put(&dir.path().join("renamed"), &core(1, 1000));
    let file = File::open(&path).unwrap();
    for (name, value) in
        [("pid", "4711"), ("exe", "/usr/bin/parser"), ("signal", "6"), ("timestamp", "1700000000000000")]
    {
        let set = rustix::fs::fsetxattr(
            &file,
            format!("user.coredump.{name}"),
            value.as_bytes(),
            rustix::fs::XattrFlags::empty(),
        );
        if let Err(error) = set {
            skipped(&format!("no extended attributes here: {error}"));
            return;
        }
    }
    let store = open_core(&path).unwrap().store.unwrap();
    assert_eq!((store.process.pid, store.signal), (Some(4711), Some(6)));
    assert_eq!(store.process.executable.as_deref(), Some("/usr/bin/parser"));
    assert!(store.time.is_some());
}

#[test]
fn what_is_no_core_is_no_core_in_a_wrapper_either() {
    let dir = tempfile::tempdir().unwrap();
    for (format, compress) in WRAPPERS {
        let path = put(&dir.path().join("core"), &compress(&program(None, Half::Stripped)));
        assert!(matches!(open_core(&path), Err(OpenError::NotACore { .. })), "{format}");
        assert_eq!(found(dir.path()), [], "{format}");
    }
}
