//! What is written is read: by every decoder as one file, and by us frame by frame.

use std::io::{self, Write};

use epitaph_testkit::skip::skipped;

use super::table::{Entry, table_of};
use super::writer::LONG_RUN;
use super::*;

enum Part {
    Zeros(u64),
    Data(Vec<u8>),
}

/// Bytes without a zero. They repeat, but no frame is like another.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let part: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 | 1
    })
    .take(len.min(50_021))
    .collect();
    let mut bytes = part.repeat(len.div_ceil(part.len().max(1)));
    bytes.truncate(len);
    bytes
}

/// Compresses the parts; returns the file and what it stands for.
fn write(parts: &[Part]) -> (Vec<u8>, Vec<u8>) {
    let mut plain = Vec::new();
    let mut writer = FrameWriter::new(Vec::new()).unwrap();
    for part in parts {
        match part {
            Part::Zeros(count) => {
                plain.resize(plain.len() + *count as usize, 0);
                writer.zeros(*count);
            }
            Part::Data(bytes) => {
                plain.extend(bytes);
                writer.data(bytes).unwrap();
            }
        }
    }
    writer.finish().unwrap();
    (writer.into_sink(), plain)
}

/// A frame as stock zstd makes it of input whose size it knows.
fn frame(content: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(content, 3).unwrap()
}

/// Puts frames one after the other, with a table behind them that says what `entries` says.
fn file(frames: &[Vec<u8>], entries: &[Entry]) -> Vec<u8> {
    [frames.concat(), table_of(entries)].concat()
}

fn entry(frame: &[u8], content: usize) -> Entry {
    Entry { stored: frame.len() as u32, content: content as u32 }
}

fn layout(file: &[u8]) -> Option<Layout> {
    Layout::read(&file).unwrap()
}

#[test]
fn any_mix_of_data_and_zeros_comes_back() {
    let mixes = [
        vec![],
        vec![Part::Data(b"x".to_vec())],
        vec![Part::Zeros(1)],
        vec![Part::Zeros(LONG_RUN)],
        vec![Part::Zeros(LONG_RUN - 1), Part::Data(noise(70_000)), Part::Zeros(LONG_RUN + 1)],
        vec![Part::Data(noise(FRAME)), Part::Zeros(LONG_RUN), Part::Data(noise(FRAME + 1))],
        vec![
            Part::Data(noise(3)),
            Part::Zeros(5 << 20),
            Part::Zeros(17),
            Part::Data(noise(9 << 20)),
            Part::Zeros(3),
            Part::Data(noise(1)),
        ],
    ];
    for (index, mix) in mixes.iter().enumerate() {
        let (file, plain) = write(mix);
        assert!(zstd::decode_all(file.as_slice()).unwrap() == plain, "mix {index}");
        let layout = layout(&file).unwrap_or_else(|| panic!("mix {index} can't be read by frames"));
        assert_eq!(layout.size(), plain.len() as u64, "mix {index}");
        for frame in layout.from(0) {
            let stored = &file[frame.at as usize..][..frame.stored as usize];
            let content = &plain[frame.start as usize..][..frame.content as usize];
            assert!(zstd::decode_all(stored).unwrap() == content, "mix {index}, {frame:?}");
            assert!(frame.zeros || frame.content as usize <= FRAME, "mix {index}, {frame:?}");
            assert!(!frame.zeros || content.iter().all(|byte| *byte == 0), "mix {index}, {frame:?}");
        }
    }
}

#[test]
fn long_runs_of_zeros_cost_next_to_nothing() {
    let mut writer = FrameWriter::new(Vec::new()).unwrap();
    writer.zeros(3 << 30);
    writer.finish().unwrap();
    let file = writer.into_sink();
    assert!(file.len() < 128 * 1024, "{}", file.len());
    let layout = layout(&file).unwrap();
    assert_eq!((layout.size(), layout.len()), (3 << 30, 3));
    assert!(layout.from(0).iter().all(|frame| frame.zeros));
}

/// The format's own tool reads what we write, where it is installed.
#[test]
fn stock_zstd_reads_it() {
    let (file, plain) = write(&[
        Part::Data(noise(100_000)),
        Part::Zeros(2 << 20),
        Part::Data(noise(6 << 20)),
        Part::Zeros(5),
    ]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core.zst");
    std::fs::write(&path, file).unwrap();
    let zstd = |option: &str| std::process::Command::new("zstd").arg(option).arg(&path).output();
    let Ok(tested) = zstd("-t") else {
        skipped("zstd is not installed");
        return;
    };
    assert!(tested.status.success(), "{tested:?}");
    let decoded = zstd("-dc").unwrap();
    assert!(decoded.status.success() && decoded.stdout == plain);
    let listed = zstd("-lv").unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for line in ["# Zstandard Frames: 9", "# Skippable Frames: 1", &format!("({} B)", plain.len())] {
        assert!(listed.contains(line), "{listed}");
    }
}

/// The layout is that of the document, written down here by hand.
#[test]
fn the_table_is_laid_out_as_the_format_says() {
    let entries = [Entry { stored: 0x0102, content: 0x0a0b_0c0d }, Entry { stored: 3, content: 4 }];
    let expected = [
        &[0x5e, 0x2a, 0x4d, 0x18][..], // a skippable frame …
        &[25, 0, 0, 0],                // … of so many bytes
        &[2, 1, 0, 0, 0xd, 0xc, 0xb, 0xa],
        &[3, 0, 0, 0, 4, 0, 0, 0],
        &[2, 0, 0, 0],             // frames
        &[0],                      // no checksums
        &[0xb1, 0xea, 0x92, 0x8f], // the end of the file
    ];
    assert_eq!(table_of(&entries), expected.concat());
}

#[test]
fn tables_of_other_writers_are_read() {
    let contents = [noise(1000), vec![7; 70_000], noise(5)];
    let frames = contents.clone().map(|content| frame(&content));
    let entries: Vec<Entry> =
        frames.iter().zip(&contents).map(|(frame, content)| entry(frame, content.len())).collect();
    let plain = layout(&file(&frames, &entries)).unwrap();
    assert_eq!(plain.len(), 3);
    let sizes = |layout: &Layout| layout.from(0).iter().map(|frame| frame.content).collect::<Vec<_>>();
    assert_eq!(sizes(&plain), [1000, 70_000, 5]);

    // With a checksum in each entry.
    let mut table = 0x184D_2A5Eu32.to_le_bytes().to_vec();
    table.extend((3 * 12 + 9u32).to_le_bytes());
    for entry in &entries {
        for word in [entry.stored, entry.content, 0xdead_beef] {
            table.extend(word.to_le_bytes());
        }
    }
    table.extend(3u32.to_le_bytes());
    table.push(0x80);
    table.extend(0x8F92_EAB1u32.to_le_bytes());
    let with_checksums = layout(&[frames.concat(), table].concat()).unwrap();
    assert_eq!(with_checksums.from(0), plain.from(0));
}

#[test]
fn a_table_that_is_not_true_is_not_believed() {
    let (one, two) = (noise(1000), vec![7; 70_000]);
    let frames = [frame(&one), frame(&two)];
    let true_ones = [entry(&frames[0], one.len()), entry(&frames[1], two.len())];
    assert!(layout(&file(&frames, &true_ones)).is_some());
    let [first, second] = true_ones;
    let moved = |by: i32| {
        [
            Entry { stored: first.stored.wrapping_add_signed(by), ..first },
            Entry { stored: second.stored.wrapping_add_signed(-by), ..second },
        ]
    };
    for (what, lie) in [
        ("another size", [Entry { content: first.content + 1, ..first }, second]),
        ("sizes swapped", [second, first]),
        ("a border too late", moved(1)),
        ("a border too early", moved(-1)),
        ("a sum that is too large", [first, Entry { stored: second.stored + 1, ..second }]),
    ] {
        assert!(layout(&file(&frames, &lie)).is_none(), "{what}");
    }
    // One frame that is called two, and two that are called one.
    assert!(layout(&file(&frames, &true_ones[..1])).is_none());
    let both = Entry { stored: true_ones[0].stored + true_ones[1].stored, content: 71_000 };
    assert!(layout(&file(&frames, &[both])).is_none());
    assert!(layout(&file(&[], &[])).is_none());
    let whole = file(&frames, &true_ones);
    for cut in 1..whole.len() {
        assert!(layout(&whole[..whole.len() - cut]).is_none(), "{cut} bytes cut off");
    }
    let mut too_many = whole.clone();
    let count = too_many.len() - 9;
    too_many[count..count + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(layout(&too_many).is_none());
}

/// A frame that hides in another one's bytes is no frame to a decoder that begins at the start.
#[test]
fn a_hidden_frame_is_not_found() {
    let hidden = frame(b"what nobody else sees");
    let honest = frame(&noise(100));
    // A frame with one block that is stored as it is; in front, another one of its kind could end.
    let mut carrier = vec![0x28, 0xb5, 0x2f, 0xfd, 0b0010_0000, hidden.len() as u8];
    carrier.extend((1 | (hidden.len() as u32) << 3).to_le_bytes().iter().take(3));
    let start = carrier.len();
    carrier.extend(&hidden);
    let (before, after) = (carrier[..start].to_vec(), carrier[start..].to_vec());
    let parts = [honest.clone(), before, after];
    let plain = zstd::decode_all(parts.concat().as_slice()).unwrap();
    assert_eq!(plain, [noise(100), hidden.clone()].concat());
    let truth = [entry(&honest, 100), entry(&carrier, hidden.len())];
    assert_eq!(layout(&file(&parts, &truth)).unwrap().size(), plain.len() as u64);
    let lie = [
        Entry { stored: (honest.len() + start) as u32, content: 100 },
        entry(&hidden, b"what nobody else sees".len()),
    ];
    assert!(layout(&file(&parts, &lie)).is_none());
}

#[test]
fn frames_that_are_too_large_to_be_read_alone_are_refused() {
    let large = vec![7; (8 << 20) + 1];
    let stored = frame(&large);
    assert!(layout(&file(std::slice::from_ref(&stored), &[entry(&stored, large.len())])).is_none());
    // Zeros with a checksum would have to be decompressed to be believed.
    let mut compressor = zstd::bulk::Compressor::new(3).unwrap();
    compressor.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true)).unwrap();
    let stored = compressor.compress(&[0; 4096]).unwrap();
    let layout = layout(&file(std::slice::from_ref(&stored), &[entry(&stored, 4096)])).unwrap();
    assert!(!layout.from(0)[0].zeros);
}

#[test]
fn a_sink_that_fails_ends_it_whoever_is_compressing() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let data = noise(1 << 20);
    for room in [0, 100_000, 500_000] {
        let mut writer = FrameWriter::new(Full(room)).unwrap();
        let error = (0..30).find_map(|_| writer.data(&data).err()).expect("there is no room for all");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
