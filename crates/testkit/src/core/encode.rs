//! Numbers to bytes, in the class and byte order of the core at hand.

/// Width of addresses in the file's headers: `EI_CLASS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `ELFCLASS32`: 52-byte header, 32-byte program headers.
    Elf32,
    /// `ELFCLASS64`: 64-byte header, 56-byte program headers.
    Elf64,
}

/// Byte order of the whole file: `EI_DATA`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    /// `ELFDATA2LSB`.
    Little,
    /// `ELFDATA2MSB`.
    Big,
}

/// Bytes being written in one byte order.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    endian: Endian,
    bytes: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(endian: Endian) -> Encoder {
        Encoder { endian, bytes: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn u8(&mut self, value: u8) -> &mut Encoder {
        self.raw(&[value])
    }

    pub(super) fn u16(&mut self, value: u16) -> &mut Encoder {
        match self.endian {
            Endian::Little => self.raw(&value.to_le_bytes()),
            Endian::Big => self.raw(&value.to_be_bytes()),
        }
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Encoder {
        match self.endian {
            Endian::Little => self.raw(&value.to_le_bytes()),
            Endian::Big => self.raw(&value.to_be_bytes()),
        }
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Encoder {
        match self.endian {
            Endian::Little => self.raw(&value.to_le_bytes()),
            Endian::Big => self.raw(&value.to_be_bytes()),
        }
    }

    /// A number as wide as an address of `class` is; a 32-bit file keeps the low half.
    pub(super) fn word(&mut self, class: Class, value: u64) -> &mut Encoder {
        match class {
            Class::Elf32 => self.u32(value as u32),
            Class::Elf64 => self.u64(value),
        }
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> &mut Encoder {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// `text` in a field of `size` bytes, NUL-padded, cut so that one NUL remains, as the kernel does.
    pub(super) fn text(&mut self, text: &str, size: usize) -> &mut Encoder {
        let kept = &text.as_bytes()[..text.len().min(size - 1)];
        self.raw(kept).zeros(size - kept.len())
    }

    pub(super) fn zeros(&mut self, count: usize) -> &mut Encoder {
        self.bytes.resize(self.bytes.len() + count, 0);
        self
    }

    pub(super) fn pad_to_multiple_of(&mut self, alignment: usize) -> &mut Encoder {
        self.bytes.resize(self.bytes.len().next_multiple_of(alignment), 0);
        self
    }
}
