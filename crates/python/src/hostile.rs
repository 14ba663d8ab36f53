//! Memory that somebody has tampered with: frames are read as far as they are such, and no further.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use epitaph_elf::{Memory, MemoryError, X86_64};

use crate::code::Codes;
use crate::frames::{PythonStack, Walk};
use crate::layout::{BYTES_DATA, FrameLayout, Inner, Layout, SIZE, TEXT_LENGTH, TEXT_STATE, TYPE, TYPE_NAME};
use crate::objects::Objects;
use crate::threads;
use crate::version::Version;

/// Where things are. Everything is 8 KiB from the next one.
const RUNTIME: u64 = 0x10_0000;
const INTERPRETER: u64 = 0x10_2000;
const STATE: u64 = 0x10_4000;
const CODE: u64 = 0x10_6000;
const CODE_TYPE: u64 = 0x10_8000;
const TEXT: u64 = 0x10_a000;
const TEXT_TYPE: u64 = 0x10_c000;
const BYTES: u64 = 0x10_e000;
const BYTES_TYPE: u64 = 0x11_0000;
const NAMES: u64 = 0x11_2000;
const FRAMES: u64 = 0x11_4000;
/// How many frames there are, each at an evaluation of its own.
const COUNT: u64 = 3;
const END: u64 = FRAMES + 0x2000 * 2 * COUNT;

/// A process's memory; what was never written is 0.
struct Image {
    words: HashMap<u64, u64>,
    reads: Cell<usize>,
    read: RefCell<Vec<u64>>,
}

impl Image {
    fn put(&mut self, base: u64, offset: u64, word: u64) {
        let (at, shift) = ((base + offset) / 8, (base + offset) % 8 * 8);
        *self.words.entry(at).or_default() |= word << shift;
    }

    /// A name of at most 8 bytes.
    fn name(&mut self, of: u64, number: u64, name: &str) {
        let word = name.bytes().rev().fold(0, |word, byte| word << 8 | u64::from(byte));
        self.put(NAMES, 32 * number, word);
        self.put(of, TYPE_NAME, NAMES + 32 * number);
    }

    /// Builds an interpreter with a thread in three frames of one function, `f` in the file `f`, at its first line, 7.
    fn of(layout: &Layout) -> Image {
        let mut image = Image { words: HashMap::new(), reads: Cell::new(0), read: RefCell::default() };
        image.name(CODE_TYPE, 0, "code");
        image.name(TEXT_TYPE, 1, "str");
        image.name(BYTES_TYPE, 2, "bytes");
        image.put(RUNTIME, layout.interpreters, INTERPRETER);
        image.put(INTERPRETER, layout.threads, STATE);
        image.put(STATE, layout.thread.pthread, 1);
        image.put(CODE, TYPE, CODE_TYPE);
        let texts = [Some(layout.code.filename), Some(layout.code.name), layout.code.qualified_name];
        for offset in texts.into_iter().flatten() {
            image.put(CODE, offset, TEXT);
        }
        image.put(CODE, layout.code.first_line, 7);
        image.put(CODE, layout.code.line_table, BYTES);
        image.put(TEXT, TYPE, TEXT_TYPE);
        image.put(TEXT, TEXT_LENGTH, 1);
        image.put(TEXT, TEXT_STATE, 1 << 2 | 0x60);
        image.put(TEXT, layout.ascii_text, u64::from(b'f'));
        image.put(BYTES, TYPE, BYTES_TYPE);
        image.put(BYTES, SIZE, 2);
        // One entry, of the same line: of 3.11 on a location without columns, of earlier ones 4 bytes of code or more.
        let entry = if layout.code.qualified_name.is_some() { 0x00e8 } else { 0x0004 };
        image.put(BYTES, BYTES_DATA, entry);
        for number in 0..COUNT {
            image.frame(layout, number);
        }
        image
    }

    fn frame(&mut self, layout: &Layout, number: u64) {
        let frame = |number: u64| if number < COUNT { FRAMES + 0x4000 * number } else { 0 };
        let evaluation = |number: u64| if number < COUNT { frame(number) + 0x2000 } else { 0 };
        let (this, outer) = (frame(number), frame(number + 1));
        let inner = |image: &mut Image, layout_of: &Inner, previous: u64| {
            image.put(this, layout_of.code, CODE);
            image.put(this, layout_of.previous, previous);
            image.put(this, layout_of.instruction, CODE + layout.code.instructions);
        };
        let first = match &layout.frame {
            FrameLayout::Objects { back, code, .. } => {
                self.put(this, *back, outer);
                self.put(this, *code, CODE);
                this
            }
            FrameLayout::Entries { frame, is_entry, current, previous_evaluation } => {
                inner(self, frame, outer);
                self.put(this, *is_entry, 1);
                self.put(evaluation(number), *current, this);
                self.put(evaluation(number), *previous_evaluation, evaluation(number + 1));
                evaluation(number)
            }
            FrameLayout::Shims { frame, current } => {
                inner(self, frame, evaluation(number));
                self.put(evaluation(number), frame.previous, outer);
                self.put(evaluation(number), frame.owner, 3);
                if number == 0
                    && let Some(current) = current
                {
                    self.put(INTERPRETER + 0x1000, *current, this);
                    INTERPRETER + 0x1000
                } else {
                    this
                }
            }
        };
        if number == 0 {
            self.put(STATE, layout.thread.top, first);
        }
    }

    /// Reads all that there is.
    fn stacks(&self, layout: Layout) -> Vec<PythonStack> {
        let objects = Objects::new(&X86_64, self, layout);
        let (codes, left) = (Codes::default(), Cell::new(1000));
        let walk = |state: &threads::State| Walk::of(&objects, &codes, &left, state.address);
        threads::states(&objects, RUNTIME).iter().map(walk).collect()
    }
}

impl Memory for Image {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        self.reads.set(self.reads.get() + 1);
        if address < RUNTIME || address.checked_add(buf.len() as u64).is_none_or(|end| end > END) {
            return Err(MemoryError::Unmapped { address });
        }
        for (byte, at) in buf.iter_mut().zip(address..) {
            let word = self.words.get(&(at / 8)).copied().unwrap_or_default();
            *byte = word.to_le_bytes()[(at % 8) as usize];
        }
        self.read.borrow_mut().push(address / 8);
        Ok(())
    }

    fn is_executable(&self, _: u64) -> bool {
        false
    }
}

fn layouts() -> impl Iterator<Item = Layout> {
    (9..=13).map(|minor| Layout::of(Version { major: 3, minor }).unwrap())
}

#[test]
fn every_layout_is_read() {
    for layout in layouts() {
        let stacks = Image::of(&layout).stacks(layout);
        assert_eq!(stacks.len(), 1, "{layout:#?}");
        assert_eq!((stacks[0].evaluations.len(), &stacks[0].broken), (3, &None), "{layout:#?}");
        for evaluation in &stacks[0].evaluations {
            let [frame] = &*evaluation.frames else { panic!("{evaluation:?}") };
            assert_eq!((&*frame.function, frame.file.as_deref(), frame.line), ("f", Some("f"), Some(7)));
        }
    }
}

#[test]
fn frames_that_lead_into_themselves_end() {
    for layout in layouts() {
        let mut image = Image::of(&layout);
        let (frame, offset) = match &layout.frame {
            FrameLayout::Objects { back, .. } => (FRAMES + 0x8000, *back),
            FrameLayout::Entries { previous_evaluation, .. } => (FRAMES + 0xa000, *previous_evaluation),
            FrameLayout::Shims { frame, .. } => (FRAMES + 0xa000, frame.previous),
        };
        let first = image.words[&((STATE + layout.thread.top) / 8)];
        let first = if first == INTERPRETER + 0x1000 { FRAMES } else { first };
        image.put(frame, offset, first);
        let stacks = image.stacks(layout);
        assert_eq!(stacks[0].broken, Some(format!("the one at {first:#x} comes after itself")));
        assert_eq!(stacks[0].evaluations.len(), 3);
    }
}

/// Each word that is read becomes what leads elsewhere, or into what is read already.
#[test]
fn no_word_does_harm() {
    let pointers =
        [FRAMES, CODE, TEXT, BYTES, STATE, INTERPRETER, RUNTIME, CODE_TYPE, NAMES, FRAMES + 0x2000];
    let numbers = [0, 1, 7, END - 1, 1 << 31, 1 << 47, u64::MAX >> 1, u64::MAX - 7, u64::MAX];
    for layout in layouts() {
        let whole = Image::of(&layout);
        let expected = whole.stacks(layout);
        let read = whole.read.take();
        let mut differ = 0;
        for word in read {
            for value in pointers.iter().chain(&numbers) {
                let mut image = Image::of(&layout);
                image.words.insert(word, *value);
                let stacks = image.stacks(layout);
                let frames = stacks.iter().flat_map(|stack| &stack.evaluations).flat_map(|of| &of.frames);
                for frame in frames {
                    assert!(frame.function.chars().count() <= 4097);
                }
                assert!(image.reads.get() < 200_000, "{} of {:#x} = {value:#x}", image.reads.get(), word * 8);
                differ += usize::from(stacks != expected);
            }
        }
        assert!(differ > 100, "{differ}");
    }
}
