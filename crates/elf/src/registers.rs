//! A thread's registers, by DWARF number.

/// DWARF numbers from 0 that are kept: the general registers of every architecture here.
const LOW: usize = 34;
/// The first of the higher numbers that are kept. 32-bit and 64-bit PowerPC, s390x and RISC-V have their special
/// registers there (program counter, link register); what lies between are floating-point registers.
const HIGH: usize = 64;
/// How many of those are kept.
const HIGH_COUNT: usize = 4;
/// How many registers are kept.
const SLOTS: usize = LOW + HIGH_COUNT;

/// Register values by DWARF number; one that is not known is absent, never zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    values: [u64; SLOTS],
    known: u64,
    /// See [`Registers::code_address`].
    code_mask: u64,
}

impl Default for Registers {
    fn default() -> Registers {
        Registers { values: [0; SLOTS], known: 0, code_mask: u64::MAX }
    }
}

#[inline]
fn slot(number: u16) -> Option<usize> {
    let number = usize::from(number);
    if number < LOW {
        return Some(number);
    }
    number.checked_sub(HIGH).filter(|high| *high < HIGH_COUNT).map(|high| LOW + high)
}

impl Registers {
    /// Makes registers of which none is known, of a thread whose code addresses have no bits but those of a mask.
    pub(crate) fn with_code_mask(code_mask: u64) -> Registers {
        Registers { code_mask, ..Registers::default() }
    }

    /// Returns the value of DWARF register `number`, if it is known.
    #[inline]
    pub fn get(&self, number: u16) -> Option<u64> {
        let slot = slot(number)?;
        (self.known >> slot & 1 == 1).then(|| self.values.get(slot).copied()).flatten()
    }

    /// Sets DWARF register `number`; a number that no architecture here needs for unwinding is ignored.
    #[inline]
    pub fn set(&mut self, number: u16, value: Option<u64>) {
        let Some(slot) = slot(number) else { return };
        let Some(place) = self.values.get_mut(slot) else { return };
        match value {
            Some(value) => {
                *place = value;
                self.known |= 1 << slot;
            }
            None => {
                *place = 0;
                self.known &= !(1 << slot);
            }
        }
    }

    /// Forgets every register that `keep` (a bit per DWARF number below 64) doesn't name.
    #[inline]
    pub fn retain(&mut self, keep: u64) {
        const LOW_BITS: u64 = (1 << LOW) - 1;
        self.known &= keep & LOW_BITS;
    }

    /// Takes out of a return address what is no part of the address: the signature of pointer authentication (Arm
    /// Architecture Reference Manual, "Pointer authentication"), or the bit that says Thumb.
    #[inline]
    pub fn code_address(&self, value: u64) -> u64 {
        value & self.code_mask
    }

    pub(crate) fn set_code_mask(&mut self, code_mask: u64) {
        self.code_mask = code_mask;
    }
}

impl std::fmt::Debug for Registers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut map = f.debug_map();
        for number in 0..(HIGH + HIGH_COUNT) as u16 {
            if let Some(value) = self.get(number) {
                map.entry(&number, &format_args!("{value:#x}"));
            }
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_that_is_kept_has_its_own_place() {
        let mut registers = Registers::default();
        let numbers: Vec<u16> = (0..100).filter(|number| slot(*number).is_some()).collect();
        assert_eq!(numbers.len(), SLOTS);
        for number in &numbers {
            registers.set(*number, Some(u64::from(*number) << 32));
        }
        for number in numbers {
            assert_eq!(registers.get(number), Some(u64::from(number) << 32));
        }
        registers.set(50, Some(1));
        assert_eq!(registers.get(50), None);
    }

    #[test]
    fn what_is_not_kept_is_forgotten() {
        let mut registers = Registers::default();
        for number in [3, 33, 65] {
            registers.set(number, Some(7));
        }
        registers.retain(1 << 3);
        assert_eq!([3, 33, 65].map(|number| registers.get(number)), [Some(7), None, None]);
    }
}
