//! What a living process has mapped: `/proc/PID/smaps` (linux/fs/proc/task_mmu.c, `show_smap`), read as bytes, for a
//! mapped file may have any name.

use std::ops::Range;

/// A mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) range: Range<u64>,
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) execute: bool,
    pub(super) shared: bool,
    /// Offset in its file, in bytes.
    pub(super) offset: u64,
    /// The file's path, or what the kernel calls the mapping; empty for memory without a name.
    pub(super) name: Vec<u8>,
    /// Whether there are pages in it that the process wrote, which the file (if any) doesn't have.
    pub(super) written: bool,
    /// `VM_DONTDUMP`
    pub(super) not_dumped: bool,
    /// `VM_IO`: memory of a device.
    pub(super) device: bool,
    /// `VM_HUGETLB`
    pub(super) huge: bool,
}

impl Mapping {
    /// Tells whether a file is mapped, one without a name included.
    pub(super) fn is_file(&self) -> bool {
        self.name.starts_with(b"/") || self.name.starts_with(b"anon_inode:")
    }

    /// Tells whether a page that was never touched holds zeros only: private memory without a file, and memory that is
    /// shared by way of a file that is nowhere.
    pub(super) fn begins_as_zeros(&self) -> bool {
        const NOWHERE: [&[u8]; 4] = [b"/dev/zero", b"/memfd:", b"/SYSV", b"[anon_shmem"];
        let special = self.name.starts_with(b"[v"); // vdso, vvar, vsyscall
        let nowhere = NOWHERE.iter().any(|name| self.name.starts_with(name));
        !self.huge && !special && (nowhere || !self.is_file())
    }
}

/// Parses `/proc/PID/smaps`, by address; what can't be understood is left out.
pub(super) fn parse(smaps: &[u8]) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in smaps.split(|byte| *byte == b'\n') {
        // A mapping begins with its address, what is told of it with a capital letter.
        if line.first().is_some_and(u8::is_ascii_uppercase) {
            if let Some(mapping) = mappings.last_mut() {
                detail(line, mapping);
            }
        } else if let Some(mapping) = header(line) {
            mappings.push(mapping);
        }
    }
    mappings
}

/// Parses `START-END rwxp OFFSET MAJOR:MINOR INODE     NAME`.
fn header(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let range = fields.next()?;
    let dash = range.iter().position(|byte| *byte == b'-')?;
    let (start, end) = range.split_at_checked(dash)?;
    let (start, end) = (hex(start)?, hex(end.strip_prefix(b"-")?)?);
    let rights = fields.next()?;
    let has = |index: usize, letter: u8| rights.get(index) == Some(&letter);
    let offset = hex(fields.next()?)?;
    let name = fields.nth(2).unwrap_or_default().trim_ascii_start();
    (start < end).then(|| Mapping {
        range: start..end,
        read: has(0, b'r'),
        write: has(1, b'w'),
        execute: has(2, b'x'),
        shared: has(3, b's'),
        offset,
        name: unescaped(name),
        ..Mapping::default()
    })
}

/// Takes a line of what is told of a mapping.
fn detail(line: &[u8], mapping: &mut Mapping) {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    match words.next() {
        Some(b"Anonymous:" | b"Swap:") => mapping.written |= words.next().is_some_and(|size| size != b"0"),
        Some(b"VmFlags:") => {
            for flag in words {
                match flag {
                    b"dd" => mapping.not_dumped = true,
                    b"io" => mapping.device = true,
                    b"ht" => mapping.huge = true,
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Undoes what the kernel does to names: a newline is written as `\012`.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(br"\012") {
            out.push(b'\n');
            rest = after;
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &[u8] = b"55d0000-55d1000 r-xp 00002000 fe:00 12                     /a \\012b\xff (deleted)\n\
        Rss:                   4 kB\nAnonymous:             0 kB\nVmFlags: rd ex mr mw me \n\
        7f00000-7f10000 rw-p 00000000 00:00 0 \nAnonymous:            12 kB\nVmFlags: rd wr dd ht io \n\
        7ff0000-7ff1000 ---p 00000000 00:00 0                          [anon: x]\nSwap:                  4 kB\n\
        nonsense\n9-8 rw-p 0 0:0 0\n";

    #[test]
    fn mappings_are_read_with_what_is_told_of_them() {
        let mappings = parse(SMAPS);
        assert_eq!(mappings.len(), 3, "{mappings:?}");
        let [code, heap, other] = &mappings[..] else { unreachable!() };
        assert_eq!((code.range.clone(), code.offset), (0x55d_0000..0x55d_1000, 0x2000));
        assert_eq!(code.name, b"/a \nb\xff (deleted)");
        assert!(code.read && code.execute && !code.write && !code.shared && !code.written && code.is_file());
        assert!(heap.written && heap.not_dumped && heap.device && heap.huge && heap.name.is_empty());
        assert!(other.written && other.begins_as_zeros() && !other.is_file());
    }

    #[test]
    fn every_prefix_is_survived() {
        for len in 0..SMAPS.len() {
            assert!(parse(&SMAPS[..len]).len() <= 3);
        }
    }

    #[test]
    fn this_process_is_understood() {
        let mappings = parse(&std::fs::read("/proc/self/smaps").unwrap());
        let stack = mappings.iter().find(|mapping| mapping.name == b"[stack]").unwrap();
        assert!(stack.written && stack.write && stack.begins_as_zeros());
        assert!(mappings.iter().any(|mapping| mapping.is_file() && mapping.execute && !mapping.written));
    }
}
