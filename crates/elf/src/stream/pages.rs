//! The pages that are kept, within a budget.

use std::collections::BTreeMap;

use super::plan::Worth;
use super::zeros::ZeroPages;

/// Pages by their number in the stream.
#[derive(Debug)]
pub(super) struct Pages {
    held: BTreeMap<u64, Box<[u8]>>,
    zeros: ZeroPages,
    /// The numbers of the pages that are held, by what they are worth.
    by_worth: [Vec<u64>; Worth::COUNT],
    /// Most pages that are held.
    most: usize,
}

/// What is known of a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Page<'a> {
    /// Its bytes.
    Held(&'a [u8]),
    /// That they are zeros.
    Zeros,
    /// Nothing any more.
    NotKept,
}

impl Pages {
    /// Starts with no page and room for `most`.
    pub(super) fn new(most: usize) -> Pages {
        Pages { held: BTreeMap::new(), zeros: ZeroPages::default(), by_worth: Default::default(), most }
    }

    /// Notes that a page is all zeros.
    pub(super) fn zero(&mut self, number: u64) {
        self.zeros.insert(number);
    }

    /// Tells whether only pages can be kept that are worth more than another one is.
    pub(super) fn is_full(&self) -> bool {
        self.held.len() >= self.most
    }

    /// Keeps a page, in the place of a less worthy one if there is no room.
    pub(super) fn put(&mut self, number: u64, worth: Worth, bytes: &[u8]) {
        let place = if self.is_full() { self.evict(worth) } else { Some(Box::default()) };
        let Some(mut place) = place else { return };
        if place.len() == bytes.len() {
            place.copy_from_slice(bytes);
        } else {
            place = bytes.into();
        }
        self.held.insert(number, place);
        if let Some(numbers) = self.by_worth.get_mut(worth as usize) {
            numbers.push(number);
        }
    }

    /// Gives up a page that is worth less than `worth`; `None` if there is none.
    fn evict(&mut self, worth: Worth) -> Option<Box<[u8]>> {
        let number = self.by_worth.iter_mut().take(worth as usize).find_map(Vec::pop)?;
        self.held.remove(&number)
    }

    /// Returns what is known of a page.
    pub(super) fn get(&self, number: u64) -> Page<'_> {
        match self.held.get(&number) {
            Some(bytes) => Page::Held(bytes),
            None if self.zeros.contains(number) => Page::Zeros,
            None => Page::NotKept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worthy_take_the_place_of_the_others() {
        let mut pages = Pages::new(3);
        let spare = [9; 4096];
        for number in 0..5 {
            pages.put(number, Worth::Spare, &spare);
        }
        pages.put(10, Worth::Stack, &[1; 4096]);
        pages.put(11, Worth::Small, &[2; 100]);
        assert_eq!(pages.get(10), Page::Held(&[1; 4096]));
        assert_eq!(pages.get(11), Page::Held(&[2; 100]));
        assert_eq!(pages.get(0), Page::Held(&spare));
        assert_eq!([1, 2, 3, 4].map(|number| pages.get(number)), [const { Page::NotKept }; 4]);
        // None is worth less than another spare one.
        pages.put(12, Worth::Spare, &spare);
        assert_eq!(pages.get(12), Page::NotKept);
        pages.put(13, Worth::Front, &[3; 4096]);
        pages.put(14, Worth::Front, &[4; 4096]);
        assert_eq!([0, 11].map(|number| pages.get(number)), [const { Page::NotKept }; 2]);
        assert_eq!(pages.get(10), Page::Held(&[1; 4096]));
    }

    #[test]
    fn zeros_need_no_room() {
        let mut pages = Pages::new(0);
        pages.zero(7);
        pages.put(8, Worth::Front, &[1; 4096]);
        assert_eq!([7, 8].map(|number| pages.get(number)), [Page::Zeros, Page::NotKept]);
    }
}
