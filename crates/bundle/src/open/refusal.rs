//! Why a file of some content is not opened.

use std::path::Path;

use super::OpenError;
use super::kind::Content;

/// Says why a file with this content is not a core.
pub(super) fn refuse(path: &Path, content: Content) -> OpenError {
    let path = path.to_owned();
    match content {
        Content::Empty => OpenError::Empty { path },
        Content::OtherElf(kind) => OpenError::NotACore { path, kind },
        Content::Compressed { codec, command } => OpenError::Compressed { path, codec, command },
        Content::Other { kind, advice } => OpenError::NotElf { path, kind, advice },
        Content::Summary => OpenError::NotElf {
            path,
            kind: "a crash summary",
            advice: Some("give the folder that it is in, or the core that it tells of"),
        },
        // A core is never refused; within zstd, one more zstd is no core either.
        Content::Core | Content::Zstd => OpenError::NotElf {
            path,
            kind: "compressed twice",
            advice: Some("decompress it first: zstd -d FILE"),
        },
    }
}
