//! The offsets that the interpreter itself tells, for debuggers: `_Py_DebugOffsets` (internal/pycore_runtime.h).

use epitaph_elf::{Arch, Memory};

use crate::layout::{Code, FrameLayout, Inner, Layout, ThreadState};
use crate::version::Version;

/// What the runtime's state begins with since 3.13.
const COOKIE: &[u8; 8] = b"xdebugpy";
/// No structure is larger, but for the interpreter's own state: an offset beyond it is none.
const LARGEST: u64 = 1 << 20;

/// What the runtime tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) version: Version,
    /// Whether it was built without the global lock: its objects look otherwise.
    pub(crate) free_threaded: bool,
    /// The table, with what is told in the place of what was known.
    pub(crate) layout: Option<Layout>,
}

/// Reads what the runtime at an address tells; `None` where it tells nothing.
pub(crate) fn read(arch: &Arch, memory: &dyn Memory, runtime: u64) -> Option<Told> {
    /// Up to the last field that is looked at, `code_object.co_code_adaptive`.
    const WORDS: usize = 48;
    let mut bytes = [0; WORDS * 8];
    memory.read(runtime, &mut bytes).ok()?;
    if !bytes.starts_with(COOKIE) {
        return None;
    }
    let word = |index: usize| arch.word_in(&bytes, index.checked_mul(8)?);
    let version = Version::of_hex(word(1)?)?;
    let offset = |index: usize| word(index).filter(|offset| *offset < LARGEST);
    // The order of the fields is that of 3.13, in words.
    let layout = |known: Layout| {
        Some(Layout {
            interpreters: offset(5)?,
            next_interpreter: offset(8)?,
            threads: offset(9)?,
            thread: ThreadState {
                next: offset(21)?,
                top: offset(23)?,
                pthread: offset(24)?,
                tid: Some(offset(25)?),
                evaluations: None,
            },
            frame: FrameLayout::Shims {
                frame: Inner {
                    previous: offset(29)?,
                    code: offset(30)?,
                    instruction: offset(31)?,
                    owner: offset(33)?,
                },
                current: None,
            },
            code: Code {
                filename: offset(35)?,
                name: offset(36)?,
                qualified_name: Some(offset(37)?),
                line_table: offset(38)?,
                first_line: offset(39)?,
                instructions: offset(43)?,
                ..known.code
            },
            ..known
        })
    };
    Some(Told { version, free_threaded: word(2)? != 0, layout: Layout::of(version).and_then(layout) })
}
