//! The commands, one module each.

pub(crate) mod collect;
pub(crate) mod doctor;
pub(crate) mod documents;
pub(crate) mod gc;
pub(crate) mod group;
pub(crate) mod handler;
pub(crate) mod init;
pub(crate) mod ls;
pub(crate) mod merge;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod slim;
