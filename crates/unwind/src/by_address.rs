//! What is known of addresses: stacks come back to a few of them again and again.

use std::collections::HashMap;

/// Addresses of which the last answers are at hand without a search; a power of 2.
const RECENT: usize = 64;
/// Most addresses that are kept. Real stacks go through a few thousand; a crafted one could fill the memory.
const MOST: usize = 1 << 16;

/// A map by address, of values that are cheap to clone.
#[derive(Debug)]
pub(crate) struct ByAddress<T> {
    recent: Vec<Option<(u64, T)>>,
    all: HashMap<u64, T>,
}

impl<T: Clone> ByAddress<T> {
    pub(crate) fn new() -> ByAddress<T> {
        ByAddress { recent: vec![None; RECENT], all: HashMap::new() }
    }

    /// How many addresses are kept.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns what is known of an address.
    #[inline]
    pub(crate) fn get(&mut self, address: u64) -> Option<T> {
        let place = self.recent.get_mut(slot(address))?;
        if let Some((known, value)) = place
            && *known == address
        {
            return Some(value.clone());
        }
        let value = self.all.get(&address)?.clone();
        *place = Some((address, value.clone()));
        Some(value)
    }

    /// Keeps what is known of an address. Where too many are kept, all others are forgotten.
    pub(crate) fn insert(&mut self, address: u64, value: T) {
        if self.all.len() >= MOST {
            self.all.clear();
        }
        self.all.insert(address, value);
    }
}

/// Spreads addresses over the slots: those of one function differ in their low bits.
fn slot(address: u64) -> usize {
    (address ^ address >> 6) as usize % RECENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_again() {
        let mut map = ByAddress::new();
        for address in 0..1000 {
            assert_eq!(map.get(address), None);
            map.insert(address, address * 2);
        }
        for _ in 0..2 {
            // Each slot has several addresses.
            for address in 0..1000 {
                assert_eq!(map.get(address), Some(address * 2));
                assert_eq!(map.get(address), Some(address * 2));
            }
        }
        assert_eq!((map.get(1000), map.len()), (None, 1000));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let mut map = ByAddress::new();
        for address in 0..3 * MOST as u64 {
            map.insert(address, address);
            assert_eq!(map.get(address), Some(address));
            assert!(map.len() <= MOST);
        }
    }
}
