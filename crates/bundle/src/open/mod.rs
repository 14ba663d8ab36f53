//! Opening whatever holds a core, and finding cores in trees.

mod codec;
mod error;
mod file;
mod inside;
mod kind;
mod limits;
mod lz4;
mod refusal;
mod seekable;
mod stores;
mod streamed;
mod tree;
mod wrapper;
mod xz;

pub use error::OpenError;
pub use file::{
    FileStamp, OpenedCore, open_core, open_core_as, open_core_file, open_core_file_as, open_core_pipe,
    open_core_within,
};
pub use inside::holds_core;
pub(crate) use inside::is_core;
pub use limits::OpenLimits;
pub use seekable::FramesRead;
pub use stores::{StoreFacts, StoreName};
pub(crate) use tree::UNFINISHED;
pub use tree::{CoreInTree, CoresInTree, find_cores};
pub(crate) use wrapper::Wrapper;

#[cfg(test)]
mod tests;
