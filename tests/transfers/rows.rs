//! What becomes of a transfer when its way goes wrong.

use std::net::SocketAddr;

use super::fault::Fault;

/// How often a fault comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// At the first of each request, or of each kind of request where every fault is waited for: the next attempt gets
    /// through.
    Once,
    /// Always.
    Ever,
    /// From the middle of the transfer on.
    Halfway,
}

/// How a transfer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With everything in its place.
    Well,
    /// With status 1 and one of these texts in its message.
    Told(&'static [&'static str]),
    /// With either, as it depends on the server.
    Either(&'static [&'static str]),
    /// It doesn't come to that.
    Never,
}

use End::{Either, Never, Told, Well};
use When::{Ever, Halfway, Once};

/// What is told of a way that stays bad.
const SILENCE: End = Told(&["nothing moved for", "sent nothing for"]);
const BROKEN: End = Told(&["Connection reset", "end of file before message length", "bytes that were sent"]);
/// What is written follows no redirect; what is read may, and then finds that it isn't what was asked for.
const REDIRECT: End = Told(&["redirect from", "refused: 307", "can't be understood"]);
/// A list that is cut off can't be understood, and content has another length.
const LIED_TO: &[&str] = &["can't be understood", "damaged", "bytes that were sent"];

/// What becomes of a push and of a pull.
pub(super) fn rows(other: SocketAddr) -> Vec<(Fault, When, End, End)> {
    let (busy, many, expired) = (Told(&["503"]), Told(&["429"]), Told(&["401"]));
    vec![
        (Fault::Busy, Once, Well, Well),
        (Fault::Busy, Ever, busy, busy),
        (Fault::TooMany, Once, Well, Well),
        (Fault::TooMany, Ever, many, many),
        (Fault::Reset, Once, Well, Well),
        (Fault::Reset, Ever, BROKEN, BROKEN),
        (Fault::ResetMidway, Once, Well, Never),
        (Fault::ResetMidway, Ever, BROKEN, Never),
        (Fault::Silent, Once, Well, Well),
        (Fault::Silent, Ever, SILENCE, SILENCE),
        (Fault::Stalled, Once, Well, Well),
        (Fault::Stalled, Ever, Never, SILENCE),
        (Fault::Cut, Once, Well, Well),
        (Fault::Cut, Ever, Never, BROKEN),
        (Fault::Slow, Ever, Well, Well),
        // Whoever goes on where the answer broke off asks for what is behind its end.
        (Fault::TooLong, Once, Well, Either(&["416", "it changed while it was read"])),
        (Fault::TooLong, Ever, BROKEN, BROKEN),
        (Fault::TooShort, Once, Either(LIED_TO), Either(LIED_TO)),
        (Fault::TooShort, Ever, Told(LIED_TO), Told(LIED_TO)),
        (Fault::Circle, Ever, REDIRECT, REDIRECT),
        (Fault::Away(other), Ever, REDIRECT, REDIRECT),
        (Fault::Expired, Ever, expired, expired),
        (Fault::Expired, Halfway, expired, expired),
        (Fault::WrongUp, Once, Well, Never),
        (Fault::WrongDown, Once, Never, Well),
        (Fault::WrongDown, Ever, Never, Told(&["damaged in the store"])),
    ]
}
