//! Memory with records in it, for the tests.

use std::sync::Arc;

use epitaph_elf::{CompanionWanted, CoreFile, DebugWanted, LoadedModules, Locate, Located, Wanted};
use epitaph_testkit::core::{Class, CoreBuilder, Machine, Segment, Thread};

use super::Scene;
use crate::scrub::Start;

/// Where the memory is.
pub(super) const BASE: u64 = 0x10_0000;

struct Nothing;

impl Locate for Nothing {
    fn image(&self, _: &Wanted<'_>) -> Located {
        Located::Missing { tried: Vec::new() }
    }

    fn debug(&self, _: &DebugWanted<'_>) -> Located {
        Located::Missing { tried: Vec::new() }
    }

    fn companion(&self, _: &CompanionWanted<'_>) -> Located {
        Located::Missing { tried: Vec::new() }
    }
}

/// Memory of one machine: objects, and the texts that they point to.
pub(super) struct Layout {
    machine: Machine,
    objects: Vec<u8>,
    texts: Vec<u8>,
}

impl Layout {
    pub(super) fn new(machine: Machine) -> Layout {
        Layout { machine, objects: Vec::new(), texts: Vec::new() }
    }

    /// Bytes of a word.
    fn width(&self) -> usize {
        if matches!(self.machine.class, Class::Elf32) { 4 } else { 8 }
    }

    /// Adds words.
    pub(super) fn words(&mut self, words: &[u64]) -> &mut Layout {
        for word in words {
            self.objects.extend(&word.to_le_bytes()[..self.width()]);
        }
        self
    }

    /// Adds bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Layout {
        self.objects.extend(bytes);
        self
    }

    /// Returns the address of a text, which gets a NUL behind it.
    pub(super) fn text(&mut self, text: &str) -> u64 {
        let address = BASE + 0x1000 + self.texts.len() as u64;
        self.texts.extend(text.as_bytes());
        self.texts.push(0);
        address
    }

    /// Adds a string of libstdc++.
    pub(super) fn libstdcxx(&mut self, text: &str) -> &mut Layout {
        let length = text.len() as u64;
        if text.len() <= 15 {
            let inside = BASE + (self.objects.len() + 2 * self.width()) as u64;
            let mut buffer = [0; 16];
            buffer[..text.len()].copy_from_slice(text.as_bytes());
            self.words(&[inside, length]).bytes(&buffer)
        } else {
            let address = self.text(text);
            let rest = 16 / self.width();
            self.words(&[address, length, length]).words(&vec![0; rest - 1])
        }
    }

    /// Adds a string of libc++.
    pub(super) fn libcxx(&mut self, text: &str) -> &mut Layout {
        let size = 3 * self.width();
        if text.len() + 2 <= size {
            let mut buffer = vec![0; size];
            buffer[0] = 2 * text.len() as u8;
            buffer[1..=text.len()].copy_from_slice(text.as_bytes());
            self.bytes(&buffer)
        } else {
            let address = self.text(text);
            self.words(&[(text.len() as u64 + 1) | 1, text.len() as u64, address])
        }
    }

    /// Lets `look` see the memory.
    pub(super) fn see<T>(&self, look: impl FnOnce(&Scene<'_>) -> T) -> T {
        let mut bytes = self.objects.clone();
        bytes.resize(0x1000, 0);
        bytes.extend(&self.texts);
        bytes.resize(0x4000, 0);
        let builder = CoreBuilder::new().machine(self.machine).thread(Thread::new(1));
        let core = builder.segment(Segment::data(BASE, bytes)).build().to_vec();
        let core = CoreFile::open(Arc::new(core)).unwrap();
        let loaded = LoadedModules::new(Vec::new(), core.process().arch, &Nothing);
        let start = Start::default();
        look(&Scene { process: core.process(), memory: &core, loaded: &loaded, start: &start })
    }
}
