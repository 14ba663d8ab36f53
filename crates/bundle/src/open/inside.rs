//! A look into wrappers.

use std::fs::File;
use std::io::{self, Read};

use epitaph_elf::ReadAt;

use super::kind::{Content, HEAD, content, content_of};
use super::wrapper::Wrapper;

/// Says what is inside a wrapper, by the first bytes of it.
pub(crate) fn content_inside(wrapper: Wrapper, file: &dyn ReadAt) -> io::Result<Content> {
    let Some(reader) = wrapper.reader(file)? else { return Ok(Content::Empty) };
    let mut head = Vec::with_capacity(HEAD);
    match reader.take(HEAD as u64).read_to_end(&mut head) {
        // A wrapper that breaks off right behind the header says what it would have been.
        Err(error) if head.is_empty() => Err(error),
        _ => content_of(&head),
    }
}

/// Tells whether `file` holds a core: it is one, or something that [`super::open_core`] finds one in.
pub fn holds_core(file: &File) -> io::Result<bool> {
    is_core(file)
}

/// Tells the same of what isn't a file.
pub(crate) fn is_core(file: &dyn ReadAt) -> io::Result<bool> {
    Ok(match content(file)? {
        Content::Wrapped(wrapper) => content_inside(wrapper, file)? == Content::Core,
        content => content == Content::Core,
    })
}
