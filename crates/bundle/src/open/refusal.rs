//! Why a file of some content is not opened.

use std::path::Path;

use super::OpenError;
use super::kind::Content;
use super::wrapper::Wrapper;

/// Says why a file with this content, inside of this wrapper, is not a core.
pub(super) fn refuse(path: &Path, content: Content, inside: Option<Wrapper>) -> OpenError {
    let path = path.to_owned();
    match content {
        Content::Empty if inside == Some(Wrapper::Apport) => OpenError::NotElf {
            path,
            kind: "an apport report without a core",
            advice: Some("apport left the core out, or took it out when it sent the report"),
        },
        Content::Empty => OpenError::Empty { path },
        Content::OtherElf(kind) => OpenError::NotACore { path, kind },
        Content::Other { kind, advice } => OpenError::NotElf { path, kind, advice },
        Content::Summary => OpenError::NotElf {
            path,
            kind: "a crash summary",
            advice: Some("give the folder that it is in, or the core that it tells of"),
        },
        Content::Encrypted => OpenError::Encrypted { path },
        // A core is never refused; within a wrapper, one more is no core.
        Content::Core | Content::Wrapped(_) => OpenError::NotElf {
            path,
            kind: "compressed twice",
            advice: Some("decompress it first, and give the result"),
        },
    }
}
