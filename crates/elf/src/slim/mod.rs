//! Slim cores: small ones in which debuggers find the same backtraces.
//!
//! [`SlimCore`] is an ELF core that holds what gdb, lldb, eu-stack and epitaph need of another one: the notes as they
//! are, the stacks, what the dynamic linker and the threads library keep, the data of programs and libraries, small
//! mappings, and what the stacks point to. What it leaves out is in no segment, so that debuggers say that they can't
//! read it rather than read zeros. Its own note (owner `EPITAPH`) says what the original was.
//!
//! ```no_run
//! use std::sync::Arc;
//! use epitaph_elf::{CoreFile, SlimCore, SlimOptions};
//!
//! let core = CoreFile::open(Arc::new(std::fs::File::open("core.4711")?))?;
//! let slim = SlimCore::new(&core, &SlimOptions::default())?;
//! println!("{} bytes of {}", slim.size(), core.size());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod budget;
mod data;
mod goroutines;
mod kept;
mod layout;
mod linked;
mod note;
mod plan;
mod pointed;
mod stacks;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use thiserror::Error;

use crate::core_file::CoreFile;
use crate::pieces::{Extent, Pieces};
use crate::read_at::{ReadAt, fill};
use crate::redact::Redact;

pub use budget::KeptBytes;
pub use note::Slimmed;
pub(crate) use note::{NT_SLIM, OWNER, Region, SlimNote};

use layout::Layout;

/// Bytes of a page: what is kept is kept in pages.
pub(crate) const PAGE: u64 = 4096;

/// What a slim core is to be.
#[derive(Clone)]
pub struct SlimOptions {
    /// Most bytes of memory that are kept, without headers and notes. Stacks come first.
    pub budget: u64,
    /// Addresses to keep besides what the rules say, as far as the budget allows: what tells why the process died.
    pub also: Vec<Range<u64>>,
    /// Overwrites secrets in whatever is read of the slim core.
    pub redact: Option<Arc<dyn Redact>>,
}

impl Default for SlimOptions {
    fn default() -> SlimOptions {
        SlimOptions { budget: 32 << 20, also: Vec::new(), redact: None }
    }
}

impl std::fmt::Debug for SlimOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SlimOptions")
            .field("budget", &self.budget)
            .field("also", &self.also.len())
            .field("redact", &self.redact.is_some())
            .finish()
    }
}

/// Why a core can't be made slim.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SlimError {
    /// Its headers or notes could not be read again.
    #[error("cannot read the core's notes")]
    Read(#[from] io::Error),
    /// The notes alone are more than an ELF file of the core's class can hold.
    #[error("a slim core would be larger than the {bits}-bit ELF format allows")]
    TooLarge {
        /// Bits of an address.
        bits: u8,
    },
}

/// What was kept and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlimReport {
    /// What the slim core's note says.
    pub made_of: Slimmed,
    /// Bytes of memory that were kept, by why they were.
    pub kept: KeptBytes,
    /// Whether the budget was too small for something that the rules ask for.
    pub over_budget: bool,
    /// How many `PT_LOAD` segments it has.
    pub segments: usize,
}

/// A slim core, to be read like any other file. Memory is read from the original's file when it is asked for.
pub struct SlimCore {
    source: Arc<dyn ReadAt>,
    pieces: Pieces,
    redact: Option<Arc<dyn Redact>>,
    report: SlimReport,
}

impl std::fmt::Debug for SlimCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SlimCore").field("pieces", &self.pieces).finish_non_exhaustive()
    }
}

impl SlimCore {
    /// Decides what to keep of a core. Only what that takes is read; memory itself is read later.
    pub fn new(core: &CoreFile, options: &SlimOptions) -> Result<SlimCore, SlimError> {
        let plan = plan::plan(core, options);
        let Layout { pieces, made_of, segments } = layout::lay_out(core, &plan, options.redact.as_deref())?;
        Ok(SlimCore {
            source: Arc::clone(core.source()),
            pieces,
            redact: options.redact.clone(),
            report: SlimReport { made_of, kept: plan.kept_bytes, over_budget: plan.over_budget, segments },
        })
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        self.pieces.size()
    }

    /// Returns the addresses of the memory that is kept, in their order.
    pub fn kept(&self) -> impl Iterator<Item = Range<u64>> {
        self.pieces.extents().iter().map(|extent| extent.address..extent.address.saturating_add(extent.size))
    }

    /// Says what was kept and what was not.
    pub fn report(&self) -> &SlimReport {
        &self.report
    }

    /// Reads bytes of an extent, `within` bytes from its start.
    fn read_extent(&self, extent: &Extent, within: u64, buf: &mut [u8]) -> io::Result<()> {
        if fill(&self.source, extent.source.saturating_add(within), buf)? < buf.len() {
            let why = "the core has become shorter since it was opened";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        if let Some(redact) = &self.redact {
            redact.memory(extent.address.saturating_add(within), buf);
        }
        Ok(())
    }
}

impl ReadAt for SlimCore {
    fn size(&self) -> io::Result<u64> {
        Ok(self.pieces.size())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.pieces.read_at(offset, buf, |extent, within, buf| self.read_extent(extent, within, buf))
    }
}
