//! Which crashes are the same, which are alike, and which are new.
//!
//! A [`Digest`] is what this needs of one summary; it is read straight from JSON, without the rest. [`Grouping::add`] puts
//! each into the bucket of its subject and signature and forgets it, so that memory grows with the distinct signatures
//! and not with the crashes. [`Grouping::report`] then joins buckets whose stacks are alike into groups, compares them
//! with those of a baseline, and gives a [`GroupReport`].
//!
//! The measure of likeness is that of ReBucket (Dang et al., ICSE 2012): frames count less the farther they are from the
//! top and the farther two equal ones stand apart. Groups are made by complete linkage: any two signatures of a group
//! are alike.

mod baseline;
mod bucket;
mod clusters;
mod digest;
mod few;
mod frames;
mod grouping;
mod likeness;
mod modules;
mod neighbours;
mod raw;
mod report;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod trace;

pub use bucket::Key as BucketKey;
pub use digest::{Digest, Entry};
pub use grouping::{Grouping, Source};
pub use report::{
    BaselineCounts, Bucket, CrashPlace, Example, GROUP_SCHEMA, Group, GroupReport, Similar, SimilarBy, Status,
};
pub use trace::Trace;

/// How far apart two stacks may be that count as alike, of 1: two equal ones but for the topmost frame are 0.26 apart.
pub const THRESHOLD: f32 = 0.35;
