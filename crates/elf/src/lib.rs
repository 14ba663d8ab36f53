//! ELF objects and core files, from hostile bytes.
//!
//! This crate answers three questions: what was the process when it died ([`CoreFile`], [`Process`]), what did
//! its memory hold ([`Memory`]), and what do the files that it had mapped say about themselves ([`Module`],
//! [`Object`]). It is *not* a debugger: it knows neither call frames nor source lines (`unwind` and `symbols`
//! do), and it opens no file by name on its own: it asks a [`Locate`].
//!
//! Everything that is read may be corrupt or crafted. A core is refused only when nothing can be read from it;
//! anything else that is wrong becomes a [`Defect`], and the rest stays usable.
//!
//! ```
//! use epitaph_elf::{FileKind, identify};
//!
//! let not_a_core: &[u8] = b"#!/bin/sh\n";
//! assert_eq!(identify(&not_a_core).unwrap(), FileKind::NotElf);
//! ```

pub mod arch;
mod auxv;
mod build_id;
mod bytes;
mod cache;
mod core_file;
mod coreless;
mod encode;
mod fit;
mod go;
mod header;
mod identify;
mod image;
mod inflate;
mod link_map;
mod links;
mod live;
mod loaded;
mod locate;
mod memory;
mod mini;
mod module;
mod note;
mod object;
mod pieces;
mod plt;
mod pointers;
mod process;
mod prstatus;
mod read_at;
mod recording;
mod redact;
mod registers;
mod segment;
mod share;
pub mod signals;
mod slim;
mod stream;
mod symbols;
mod system_call;
mod traces;
mod unlisted;

pub use arch::{
    AARCH64, ARM, Arch, CodePiece, FaultKind, FrameRule, FromEntry, I386, Jump, MachineCode, PPC64LE, Place,
    RISCV64, RecordedFault, S390X, SignalRecord, SignalReturn, Target, X86_64,
};
pub use auxv::AuxVector;
pub use build_id::BuildId;
pub use bytes::Bytes;
pub use cache::PageCache;
pub use core_file::{CoreError, CoreFile};
pub use coreless::{MappedCode, Remains};
pub use go::{GoCall, GoFunction, GoTable, GoroutineList};
pub use header::{Class, Endian};
pub use identify::{FileKind, identify};
pub use inflate::InflateError;
pub use links::{DebugLink, SupplementaryLink};
pub use live::{LiveCore, LiveError, LiveInfo, LiveProcess, LiveThread, RegisterSet};
pub use loaded::{LoadedModule, LoadedModules, ProcessMemory};
pub use locate::{
    Companion, CompanionWanted, DebugWanted, FileState, Found, Locate, Located, ModulePart, Origin, Outcome,
    Tried, Wanted,
};
pub use memory::{Memory, MemoryError, read_string, read_vec};
pub use module::Module;
pub use object::{Object, ObjectError, ThreadLocal};
pub use plt::Stub;
pub use process::{Defect, FileMapping, Process, ProcessInfo, RefusedCall, SignalInfo, Thread};
pub use read_at::{ReadAt, fill};
pub use recording::Recording;
pub use redact::{Redact, RedactedCore};
pub use registers::Registers;
pub use segment::Segment;
pub use slim::{KeptBytes, SlimCore, SlimError, SlimOptions, SlimReport, Slimmed};
pub use stream::{CoreFront, KeptCore, NotKept, StreamEnd, StreamLimits, keep};
pub use symbols::{Binding, Symbol, SymbolKind, SymbolTable};
pub use system_call::SystemCall;
