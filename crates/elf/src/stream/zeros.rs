//! Pages that are known to be zeros, at a bit each.

/// Tells whether all bytes are zero.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}

/// A set of page numbers. A terabyte of pages takes 32 MB, and memory is taken only up to the highest of them.
#[derive(Debug, Default)]
pub(super) struct ZeroPages(Vec<u64>);

impl ZeroPages {
    /// Adds a page.
    pub(super) fn insert(&mut self, page: u64) {
        let Ok(word) = usize::try_from(page / 64) else { return };
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (page % 64);
        }
    }

    /// Tells whether a page is in it.
    pub(super) fn contains(&self, page: u64) -> bool {
        let word = usize::try_from(page / 64).ok().and_then(|word| self.0.get(word));
        word.is_some_and(|word| word >> (page % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_anywhere_makes_a_page_data() {
        for len in [1, 63, 64, 65, 4096] {
            let mut page = vec![0; len];
            assert!(is_zero(&page), "{len}");
            for at in 0..len {
                page[at] = 1;
                assert!(!is_zero(&page), "{at} of {len}");
                page[at] = 0;
            }
        }
    }

    #[test]
    fn pages_are_told_apart() {
        let mut zeros = ZeroPages::default();
        for page in [0, 63, 64, 1000] {
            zeros.insert(page);
        }
        let found: Vec<u64> = (0..2000).filter(|page| zeros.contains(*page)).collect();
        assert_eq!(found, [0, 63, 64, 1000]);
        assert!(!zeros.contains(u64::MAX));
    }
}
