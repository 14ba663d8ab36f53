//! Folders and what is in them.

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::address::join;
use super::folders::method;
use super::session::{Session, refusal};
use super::{AT_ONCE, INCOMING, index, multistatus};
use crate::StoreError;
use crate::backend::UNKNOWN;
use crate::http::shown;

/// A folder of a hundred thousand files has an answer of half that length, in bytes.
const LONGEST_ANSWER: usize = 64 << 20;

/// No key of ours has a tenth of these levels.
const DEEPEST: usize = 64;

/// A store of more files is not walked: a server could make them up forever.
const MOST: usize = 5_000_000;

/// What a server knows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// In bytes.
    pub(super) size: u64,
    /// When its content was last written, by the server's clock; [`UNKNOWN`] if it doesn't tell.
    pub(super) modified: Timestamp,
}

/// One name in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Folder,
    File(Found),
}

/// All files below a folder with their keys, in any order.
pub(super) async fn list(session: &Session, folder: &str) -> Result<Vec<(String, Found)>, StoreError> {
    let mut found = Vec::new();
    let mut level = vec![folder.to_owned()];
    for _ in 0..DEEPEST {
        let mut below = Vec::new();
        let mut answers = iter(level)
            .map(|folder| async move { (members(session, &folder).await, folder) })
            .buffer_unordered(AT_ONCE);
        while let Some((members, folder)) = answers.next().await {
            for (name, member) in members? {
                let key = join(&folder, &name);
                match member {
                    Member::File(file) => found.push((key, file)),
                    Member::Folder => below.push(key),
                }
            }
            if found.len() + below.len() > MOST {
                return Err(endless(session));
            }
        }
        if below.is_empty() {
            return Ok(found);
        }
        level = below;
    }
    Err(endless(session))
}

/// The names of the folders in a folder.
pub(super) async fn folders(session: &Session, folder: &str) -> Result<Vec<String>, StoreError> {
    let members = members(session, folder).await?;
    Ok(members.into_iter().filter(|(_, member)| *member == Member::Folder).map(|(name, _)| name).collect())
}

/// What is in a folder; nothing if there is no folder. What is still being sent is not told.
async fn members(session: &Session, folder: &str) -> Result<Vec<(String, Member)>, StoreError> {
    let mut members = if session.lists().await? {
        asked(session, folder).await?
    } else {
        index::members(session, folder).await?
    };
    members.retain(|(name, _)| name != index::NAME && !(folder.is_empty() && name == INCOMING));
    Ok(members)
}

/// What the server says is in a folder.
pub(super) async fn asked(session: &Session, folder: &str) -> Result<Vec<(String, Member)>, StoreError> {
    let url = session.address().folder(folder)?;
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("depth"), HeaderValue::from_static("1"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    let body = multistatus::PROPERTIES.into();
    let most = (207, LONGEST_ANSWER);
    let answer = session.ask_whole(&method("PROPFIND")?, &url, &headers, Some(&body), most).await?;
    let read = match answer {
        Ok(read) => read,
        Err(answer) if matches!(answer.status().as_u16(), 404 | 410) => return Ok(Vec::new()),
        Err(answer) => return Err(refusal("PROPFIND", &answer)),
    };
    let bad = |why| StoreError::BadAnswer { url: shown(&url), why };
    let xml = String::from_utf8(read).map_err(|error| bad(error.to_string()))?;
    let entries = multistatus::parse(&xml).map_err(|error| bad(error.to_string()))?;
    let member = |entry: multistatus::Entry| {
        let name = session.address().member(folder, &entry.href)?;
        let modified = entry.modified.unwrap_or(UNKNOWN);
        let file = entry.size.map(|size| Member::File(Found { size, modified }));
        Some((name, if entry.is_folder { Some(Member::Folder) } else { file }?))
    };
    Ok(entries.into_iter().filter_map(member).collect())
}

fn endless(session: &Session) -> StoreError {
    let why = format!("its folders have more than {DEEPEST} levels or {MOST} names");
    StoreError::BadAnswer { url: session.address().shown(), why }
}
