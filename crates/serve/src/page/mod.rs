//! Pages for people: plain HTML that needs no script and loads nothing.
//!
//! Everything that comes from a store is first made one inert line, and then escaped; [`html::Html`] lets nothing else in.

mod html;
mod job;
mod jobs;

pub(crate) use job::show as job;
pub(crate) use jobs::show as jobs;
