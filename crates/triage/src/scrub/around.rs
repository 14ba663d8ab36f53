//! Reading memory around an address, as far as there is any.

use epitaph_elf::{Memory, MemoryError};

/// A divisor of every page's size: what can't be read begins or ends at a multiple of it, but for a core that is cut.
const GRAIN: u64 = 512;

/// Reads up to `len` bytes from `address` on: those before the first that can't be read.
pub(crate) fn read_from(memory: &dyn Memory, address: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len.min(usize::try_from(u64::MAX - address).unwrap_or(usize::MAX))];
    while !bytes.is_empty() {
        let Err(error) = memory.read(address, &mut bytes) else { break };
        let readable = first_unreadable(error).saturating_sub(address);
        // An error that names no address within would have us try forever.
        bytes.truncate(usize::try_from(readable).unwrap_or(0).min(bytes.len() - 1));
    }
    bytes
}

/// Reads up to `len` bytes that end before `address`: those after the last that can't be read.
pub(super) fn read_before(memory: &dyn Memory, address: u64, len: usize) -> Vec<u8> {
    let mut start = address.saturating_sub(len as u64);
    while start < address {
        let mut bytes = vec![0; (address - start) as usize];
        let Err(error) = memory.read(start, &mut bytes) else { return bytes };
        let beyond = (first_unreadable(error) / GRAIN + 1).saturating_mul(GRAIN);
        start = beyond.max(start + 1);
    }
    Vec::new()
}

fn first_unreadable(error: MemoryError) -> u64 {
    match error {
        MemoryError::Unmapped { address }
        | MemoryError::NotDumped { address }
        | MemoryError::Truncated { address } => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readable from one address to another, each byte the low one of its address.
    struct Island(u64, u64);

    impl Memory for Island {
        fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
            for (at, byte) in (address..).zip(buf) {
                if !(self.0..self.1).contains(&at) {
                    return Err(MemoryError::Unmapped { address: at });
                }
                *byte = at as u8;
            }
            Ok(())
        }

        fn is_executable(&self, _: u64) -> bool {
            false
        }
    }

    #[test]
    fn as_much_is_read_as_there_is() {
        let island = Island(0x1000, 0x2345);
        assert_eq!(read_from(&island, 0x2340, 100), [0x40, 0x41, 0x42, 0x43, 0x44]);
        assert!(read_from(&island, 0x2345, 100).is_empty());
        assert!(read_from(&island, u64::MAX, 100).is_empty());
        assert_eq!(read_before(&island, 0x1003, 100), [0, 1, 2]);
        assert_eq!(read_before(&island, 0x2000, 0x800).len(), 0x800);
        assert!(read_before(&island, 0x1000, 100).is_empty());
        assert!(read_before(&island, 3, 100).is_empty());
    }
}
