//! Opening whatever holds a core, and finding cores in trees.

mod codec;
mod error;
mod file;
mod kind;
mod limits;
mod lz4;
mod refusal;
mod seekable;
mod stores;
mod tree;
mod unpack;
mod wrapper;
mod xz;

pub use error::OpenError;
pub use file::{FileStamp, OpenedCore, open_core, open_core_file, open_core_within};
pub use limits::OpenLimits;
pub use seekable::FramesRead;
pub use stores::StoreFacts;
pub use tree::{CoreInTree, CoresInTree, find_cores};
pub use unpack::holds_core;
pub(crate) use wrapper::Wrapper;

#[cfg(test)]
mod tests;
