//! Synthetic core files: a Linux kernel's ELF cores, written byte by byte.
//!
//! Layouts come from elf(5) and core(5), from the kernel's `include/linux/elfcore.h` (`elf_prstatus`,
//! `elf_prpsinfo`) and `fs/binfmt_elf.c` (`fill_note_info`, `fill_files_note`, `write_note_info`,
//! `fill_extnum_info`); what machines differ in is in [`machine`].

mod builder;
mod damage;
mod encode;
mod image;
pub mod machine;
mod note;
mod segment;

pub use builder::CoreBuilder;
pub use damage::Damage;
pub use encode::{Class, Endian};
pub use image::CoreImage;
pub use machine::Machine;
pub use note::{FileMapping, Psinfo, Siginfo, Thread, note_kind};
pub use segment::Segment;
