//! Where CPython's structures have their fields: offsets in bytes, of machines whose pointers have 8.
//!
//! The tables are of the headers that each release installs, and don't change within a minor version. From 3.13 on, the
//! interpreter tells its own offsets (`_Py_DebugOffsets`): those count before the table's.

use crate::version::Version;

/// The offsets of one minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// `_PyRuntimeState.interpreters.head` (internal/pycore_runtime.h).
    pub(crate) interpreters: u64,
    /// `PyInterpreterState.next` (internal/pycore_interp.h).
    pub(crate) next_interpreter: u64,
    /// `PyInterpreterState.tstate_head`, since 3.11 `.threads.head`.
    pub(crate) threads: u64,
    pub(crate) thread: ThreadState,
    pub(crate) frame: FrameLayout,
    pub(crate) code: Code,
    /// `PyASCIIObject`: where the text of an ASCII string begins, right behind it (cpython/unicodeobject.h).
    pub(crate) ascii_text: u64,
    /// `PyCompactUnicodeObject`: where that of any other compact one begins.
    pub(crate) compact_text: u64,
}

/// `PyThreadState` (cpython/pystate.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadState {
    pub(crate) next: u64,
    /// `thread_id`: what `pthread_self` returns.
    pub(crate) pthread: u64,
    /// `native_thread_id`: what `gettid` returns.
    pub(crate) tid: Option<u64>,
    /// What leads to its frames: `frame`, `cframe` or `current_frame`, by the kind of its frames.
    pub(crate) top: u64,
    /// `cframe` of 3.10, which counts evaluations.
    pub(crate) evaluations: Option<u64>,
}

/// How frames are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameLayout {
    /// `PyFrameObject` (cpython/frameobject.h): each is run by an evaluation of its own.
    Objects {
        back: u64,
        code: u64,
        /// `f_lasti`: an `int`, in units of `unit` bytes of code.
        last_instruction: u64,
        unit: i64,
        /// `CFrame.previous` (cpython/pystate.h), where there are such.
        previous_evaluation: Option<u64>,
    },
    /// `_PyInterpreterFrame` (internal/pycore_frame.h), reached by `_PyCFrame` objects on the C stack, one for each
    /// evaluation; the outermost frame of an evaluation has `is_entry` set.
    Entries { frame: Inner, is_entry: u64, current: u64, previous_evaluation: u64 },
    /// `_PyInterpreterFrame`: the outermost frame of an evaluation is a shim on the C stack. `current` is where a
    /// `_PyCFrame` has the innermost one; without that, the thread's state has it itself.
    Shims { frame: Inner, current: Option<u64> },
}

/// `_PyInterpreterFrame`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inner {
    pub(crate) code: u64,
    pub(crate) previous: u64,
    /// `prev_instr`, since 3.13 `instr_ptr`.
    pub(crate) instruction: u64,
    /// `owner`: an `enum _frameowner`, in a byte.
    pub(crate) owner: u64,
}

/// `PyCodeObject` (cpython/code.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) filename: u64,
    pub(crate) name: u64,
    pub(crate) qualified_name: Option<u64>,
    pub(crate) first_line: u64,
    pub(crate) lines: Lines,
    /// `co_linetable`, in 3.9 `co_lnotab`.
    pub(crate) line_table: u64,
    /// `co_code_adaptive`: where its instructions begin, in the object itself.
    pub(crate) instructions: u64,
    /// `_co_firsttraceable`: the index of the instruction before which a frame isn't complete.
    pub(crate) first_traceable: Option<u64>,
}

/// Forms of line tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// Objects/lnotab_notes.txt of 3.9.
    Increments,
    /// Objects/lnotab_notes.txt of 3.10 (PEP 626).
    Ranges,
    /// Objects/locations.md of 3.11.
    Locations,
}

/// The first byte of bytes objects' data (`ob_sval`), and their length (`ob_size`; cpython/bytesobject.h, object.h).
pub(crate) const BYTES_DATA: u64 = 32;
pub(crate) const SIZE: u64 = 16;
/// `PyASCIIObject.length` and `.state`.
pub(crate) const TEXT_LENGTH: u64 = 16;
pub(crate) const TEXT_STATE: u64 = 32;
/// `PyObject.ob_type`, and `PyTypeObject.tp_name` (object.h, cpython/object.h).
pub(crate) const TYPE: u64 = 8;
pub(crate) const TYPE_NAME: u64 = 24;

const PY39: Layout = Layout {
    interpreters: 32,
    next_interpreter: 0,
    threads: 8,
    thread: ThreadState { next: 8, pthread: 176, tid: None, top: 24, evaluations: None },
    frame: FrameLayout::Objects {
        back: 24,
        code: 32,
        last_instruction: 104,
        unit: 1,
        previous_evaluation: None,
    },
    code: Code {
        filename: 104,
        name: 112,
        qualified_name: None,
        first_line: 40,
        lines: Lines::Increments,
        line_table: 120,
        instructions: 48,
        first_traceable: None,
    },
    ascii_text: 48,
    compact_text: 72,
};

const PY310: Layout = Layout {
    thread: ThreadState { evaluations: Some(48), ..PY39.thread },
    frame: FrameLayout::Objects {
        back: 24,
        code: 32,
        last_instruction: 96,
        unit: 2,
        previous_evaluation: Some(8),
    },
    code: Code { lines: Lines::Ranges, ..PY39.code },
    ..PY39
};

const PY311: Layout = Layout {
    interpreters: 40,
    threads: 16,
    thread: ThreadState { next: 8, pthread: 152, tid: Some(160), top: 56, evaluations: None },
    frame: FrameLayout::Entries {
        frame: Inner { code: 32, previous: 48, instruction: 56, owner: 69 },
        is_entry: 68,
        current: 8,
        previous_evaluation: 16,
    },
    code: Code {
        filename: 112,
        name: 120,
        qualified_name: Some(128),
        first_line: 72,
        lines: Lines::Locations,
        line_table: 136,
        instructions: 184,
        first_traceable: Some(168),
    },
    ..PY310
};

const PY312: Layout = Layout {
    threads: 72,
    thread: ThreadState { pthread: 136, tid: Some(144), ..PY311.thread },
    frame: FrameLayout::Shims {
        frame: Inner { code: 0, previous: 8, instruction: 56, owner: 70 },
        current: Some(0),
    },
    code: Code { first_line: 68, instructions: 192, first_traceable: Some(176), ..PY311.code },
    ascii_text: 40,
    compact_text: 56,
    ..PY311
};

const PY313: Layout = Layout {
    interpreters: 632,
    next_interpreter: 7264,
    threads: 7344,
    thread: ThreadState { next: 8, pthread: 152, tid: Some(160), top: 72, evaluations: None },
    frame: FrameLayout::Shims {
        frame: Inner { code: 0, previous: 8, instruction: 56, owner: 70 },
        current: None,
    },
    code: Code { instructions: 200, first_traceable: Some(184), ..PY312.code },
    ..PY312
};

impl Layout {
    /// Returns the table of a version, where it is one of those that are known.
    pub(crate) fn of(version: Version) -> Option<Layout> {
        match (version.major, version.minor) {
            (3, 9) => Some(PY39),
            (3, 10) => Some(PY310),
            (3, 11) => Some(PY311),
            (3, 12) => Some(PY312),
            (3, 13) => Some(PY313),
            _ => None,
        }
    }
}
