//! Removing files.

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::HeaderMap;

use super::session::{Session, refusal};
use super::tree::{Member, asked};
use super::{INCOMING, address::join};
use crate::StoreError;

/// Removes a file; one that is absent is no error.
pub(super) async fn delete(session: &Session, key: &str) -> Result<(), StoreError> {
    let url = session.address().file(key)?;
    let answer = session.ask(&Method::DELETE, &url, &HeaderMap::new(), None).await?;
    match answer.status().as_u16() {
        200..=299 | 404 | 410 => Ok(()),
        _ => Err(refusal("DELETE", &answer)),
    }
}

/// Removes what uploads have left under temporary names before that time. Tells how many. A server that can't list has
/// no such names.
pub(super) async fn sweep(session: &Session, before: Timestamp) -> Result<u64, StoreError> {
    if !session.lists().await? {
        return Ok(0);
    }
    let mut swept = 0;
    for (name, member) in asked(session, INCOMING).await? {
        if let Member::File(found) = member
            && found.modified < before
        {
            delete(session, &join(INCOMING, &name)).await?;
            swept += 1;
        }
    }
    Ok(swept)
}
