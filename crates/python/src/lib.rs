//! The frames of CPython programs, from a dead process's memory.
//!
//! [`Interpreter::find`] looks for a CPython in a process; [`Interpreter::stack`] then gives the Python frames of a thread
//! (function, file, line), each with the evaluator's machine frame that ran it. It goes by the interpreter's own structures,
//! as its headers lay them out, of CPython 3.9 to 3.13; of others it says that it can't. It is *not* an unwinder: where a
//! Python frame stands among the machine frames is for `triage` to find.
//!
//! All memory may be corrupt or crafted: an object is read only if its type says that it is one, and every list, text and
//! table has its bound. A list of frames that breaks off says where and why.
//!
//! ```no_run
//! use epitaph_elf::{CoreFile, LoadedModules, Locate, Module};
//! use epitaph_python::Interpreter;
//!
//! fn print(core: &CoreFile, files: &dyn Locate) {
//!     let process = core.process();
//!     let loaded = LoadedModules::new(Module::all(process, core), process.arch, files);
//!     let Some(Ok(python)) = Interpreter::find(process.arch, core, &loaded, None) else { return };
//!     for thread in &process.threads {
//!         for evaluation in python.stack(thread).unwrap_or_default().evaluations {
//!             for frame in evaluation.frames {
//!                 println!("{} {:?}:{:?}", frame.function, frame.file, frame.line);
//!             }
//!         }
//!     }
//! }
//! ```

mod code;
mod debug_offsets;
mod frames;
#[cfg(test)]
mod hostile;
mod layout;
mod lines;
mod objects;
mod runtime;
mod threads;
mod version;

use std::cell::Cell;

use epitaph_elf::{Arch, LoadedModules, Memory, Thread};

pub use frames::{Evaluation, PythonFrame, PythonStack};
pub use runtime::Unread;
pub use version::Version;

use code::Codes;
use objects::Objects;
use threads::State;

/// Most frames that are read of all threads together.
const MOST_FRAMES: usize = 1 << 19;

/// A CPython in a dead process.
pub struct Interpreter<'a> {
    version: Version,
    objects: Objects<'a>,
    codes: Codes,
    states: Vec<State>,
    /// How many frames may still be read.
    left: Cell<usize>,
}

impl std::fmt::Debug for Interpreter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let threads = self.states.len();
        f.debug_struct("Interpreter").field("version", &self.version).field("threads", &threads).finish()
    }
}

impl<'a> Interpreter<'a> {
    /// Finds the interpreter of a process, or why its frames can't be read; `None` where there is none. `evaluator` is the
    /// module that a frame of `_PyEval_EvalFrameDefault` is in, where one is known: an interpreter that is linked into a
    /// program is known by that alone.
    pub fn find(
        arch: &'a Arch,
        memory: &'a dyn Memory,
        loaded: &LoadedModules<'_>,
        evaluator: Option<usize>,
    ) -> Option<Result<Interpreter<'a>, Unread>> {
        let runtime = match runtime::find(arch, memory, loaded, evaluator)? {
            Ok(runtime) => runtime,
            Err(unread) => return Some(Err(unread)),
        };
        let objects = Objects::new(arch, memory, runtime.layout);
        let states = threads::states(&objects, runtime.address);
        Some(Ok(Interpreter {
            version: runtime.version,
            objects,
            codes: Codes::default(),
            states,
            left: Cell::new(MOST_FRAMES),
        }))
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the Python frames of a thread; `None` where it is no thread of the interpreter's.
    pub fn stack(&self, thread: &Thread) -> Option<PythonStack> {
        threads::stack(&self.objects, &self.codes, &self.left, &self.states, thread)
    }
}
