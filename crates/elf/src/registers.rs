//! A thread's registers, by DWARF number.

/// How many DWARF register numbers are kept: enough for the general registers of every architecture here.
pub(crate) const SLOTS: usize = 34;

/// Register values by DWARF number; one that is not known is absent, never zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    values: [u64; SLOTS],
    known: u64,
}

impl Default for Registers {
    fn default() -> Registers {
        Registers { values: [0; SLOTS], known: 0 }
    }
}

impl Registers {
    /// Returns the value of DWARF register `number`, if it is known.
    pub fn get(&self, number: u16) -> Option<u64> {
        let value = self.values.get(usize::from(number))?;
        (self.known >> number & 1 == 1).then_some(*value)
    }

    /// Sets DWARF register `number`; a number that no architecture here uses is ignored.
    pub fn set(&mut self, number: u16, value: Option<u64>) {
        let Some(slot) = self.values.get_mut(usize::from(number)) else { return };
        match value {
            Some(value) => {
                *slot = value;
                self.known |= 1 << number;
            }
            None => {
                *slot = 0;
                self.known &= !(1 << number);
            }
        }
    }

    /// Forgets every register that `keep` (a bit per DWARF number) doesn't name.
    pub fn retain(&mut self, keep: u64) {
        self.known &= keep;
    }
}

impl std::fmt::Debug for Registers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut map = f.debug_map();
        for number in 0..SLOTS as u16 {
            if let Some(value) = self.get(number) {
                map.entry(&number, &format_args!("{value:#x}"));
            }
        }
        map.finish()
    }
}
