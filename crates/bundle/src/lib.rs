//! The output folder, and every wrapper of a core: what opens one, and what keeps one.
//!
//! - [`open_core`] opens whatever holds one core for random access: a core file, one that is compressed, or one
//!   in the store of another collector, with what that says of it ([`StoreFacts`]); [`open_core_pipe`] reads one that
//!   comes through a pipe; [`find_cores`] finds the cores and summaries in an output folder, a pulled tree or a heap of downloads, and
//!   [`Binaries`] the binaries that came with them.
//! - [`OutputFolder`] keeps crashes: it seals a core, its summary and its binaries ([`OutputFolder::seal`]) and
//!   rewrites the reports over all of them ([`OutputFolder::refresh`]), with any number of writers at once.
//! - [`Recipients`] of encrypted cores, and the [`Identities`] that read them.
//! - [`save_core`] writes one core to a file of its own; [`compress_stream`] one that comes through a pipe.
//! - [`crash_id`] names a crash, so that collecting it twice adds nothing.
//!
//! It is *not* a parser of cores (`elf` is), it renders nothing (`report` does), and it never deletes what was
//! collected: an original goes only through [`remove_sealed_original`], which checks the stored copy first.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use epitaph_bundle::{CoreInput, Identity, OutputFolder, SealRequest, Sealed, crash_id, open_core};
//! use epitaph_summary::CrashSummary;
//!
//! let dir = tempfile::tempdir().unwrap();
//! # // The first 64 bytes of a 64-bit core's header are all that is needed to be taken for a core.
//! # let mut bytes = vec![0u8; 64];
//! # bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
//! # (bytes[16], bytes[18], bytes[20], bytes[52], bytes[54], bytes[58]) = (4, 62, 1, 64, 56, 64);
//! # std::fs::write(dir.path().join("core.4711"), bytes).unwrap();
//! let core = open_core(&dir.path().join("core.4711")).unwrap();
//!
//! let died = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
//! let identity = Identity::on_this_host(&*core.source, Some(4711)).unwrap();
//! let id = crash_id(died, "parser".as_ref(), "SIGSEGV", &identity);
//! assert!(id.starts_with("20270115T080000Z-parser-sigsegv-"));
//!
//! let folder = OutputFolder::open(&dir.path().join("out")).unwrap();
//! let request = SealRequest::new(&id, CrashSummary::new("0.1.0")).with_core(CoreInput::from(&core));
//! let Sealed::Stored(stored) = folder.seal(request).unwrap() else { panic!("nobody else was here") };
//! assert_eq!(stored.summary.core.unwrap().file, Some(format!("crashes/{id}/core.zst")));
//!
//! let crashes = folder.refresh(|crashes| vec![("summary.md".into(), format!("{} crash", crashes.len()).into())]).unwrap();
//! assert_eq!(crashes.summaries.len(), 1);
//! ```

mod binaries;
mod cipher;
mod digest;
mod digests;
mod extents;
mod folder;
mod frames;
mod id;
mod names;
mod open;
mod regular;
mod runs;
mod save;
mod summaries;
#[cfg(test)]
mod testing;

pub use binaries::Binaries;
pub use cipher::{
    CipherError, DecryptedCores, ENCRYPTED_SUFFIX, Identities, Recipients, decrypt_cores, encrypt_file,
};
pub use digests::{OpenSource, Problem, Problems, SummaryFile, SummarySource, read_digests, summary_files};
pub use folder::{
    BinarySource, BinaryToKeep, BundleError, CoreInput, OutputFolder, Reduction, Reserve, SealRequest,
    Sealed, SmallerCore, Space, Stored, StoredCore, remove_sealed_original, sealed_core,
};
pub use id::{Identity, crash_id, fingerprint_of};
pub use open::{
    CoreInTree, CoresInTree, FileStamp, FramesRead, OpenError, OpenLimits, OpenedCore, StoreFacts, StoreName,
    find_cores, holds_core, open_core, open_core_as, open_core_file, open_core_file_as, open_core_pipe,
    open_core_within,
};
pub use save::{SaveError, compress_stream, save_core, spool_core, write_core};
pub use summaries::{Crashes, read_summaries};
