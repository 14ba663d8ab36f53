//! Files that must not be there yet: the manifests that make pushes visible.

use std::sync::Arc;

use bytes::Bytes;

use super::get::get;
use super::index;
use super::payload::Payload;
use super::put::{Mode, put};
use super::session::Session;
use crate::StoreError;

/// Writes a short file, unless there is another one at that key: then the answer is `false`.
pub(super) async fn create(session: &Arc<Session>, key: &str, bytes: &Bytes) -> Result<bool, StoreError> {
    let lists = session.lists().await?;
    if !lists {
        // Before the file: a name in an index that has no file is passed over, a file that no index names is lost.
        index::add(session, key).await?;
    }
    let payload = Payload::Bytes(bytes.clone());
    let created = put(session, key, &payload, Mode::Create).await? || holds(session, key, bytes).await?;
    if created && !lists {
        // Once more: another push may have read an index before ours, and written it after.
        index::add(session, key).await?;
    }
    Ok(created)
}

/// Whether the file there is ours after all, by an attempt whose answer was lost.
async fn holds(session: &Arc<Session>, key: &str, bytes: &Bytes) -> Result<bool, StoreError> {
    let there = match get(session, key, 0..u64::MAX).await {
        Ok(content) => content,
        Err(error) if error.is_absent() => return Ok(false),
        Err(error) => return Err(error),
    };
    let there = there.bytes(bytes.len() as u64).await?;
    Ok(there.is_some_and(|there| there == bytes.as_ref()))
}
