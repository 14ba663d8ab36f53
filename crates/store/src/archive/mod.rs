//! Artifacts that arrive as zip archives: fetched whole, checked, and unpacked into a pull's target.
//!
//! `pull` fetches several at once, `unpack` takes one apart, `limits` decides what is too much to be true, `sparse` writes
//! a file's zeros as holes.

mod limits;
mod pull;
mod sparse;
mod unpack;

pub(crate) use pull::{Incoming, Unpack, pull};
