//! Lists of folders, for servers that can't list them.
//!
//! Every file that is created so that it overwrites none (a push's manifest) is named in the index of its folder, and
//! that folder in the index of the one above it, up to the store's own. Nothing else is in an index.
//!
//! A plain server has no way to change a file that another client doesn't change at the same time, so an index is written,
//! and read again a moment later, until it has the name: pushes that meet there give way to each other. A name is lost
//! only if another push reads the index before it is written, and writes it after it has been looked at twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use futures_util::stream::iter;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};

use super::AT_ONCE;
use super::address::{is_name, join, split};
use super::folders::make_above;
use super::get::head;
use super::payload::Payload;
use super::session::{Session, refusal, transient};
use super::tree::Member;
use crate::StoreError;

/// The name of an index in its folder. Readers of Hive-style folders pass over names that start so.
pub(super) const NAME: &str = "_index.json";

/// The schema that this version writes, and the only one that it reads.
const SCHEMA: &str = "epitaph-index/1";

/// Room for a hundred thousand names.
const LONGEST: usize = 16 << 20;

/// How often a name is written anew that another push has overwritten.
const ROUNDS: usize = 20;

/// The least time that reading an index and writing it is taken to last.
const SHORTEST_TURN: Duration = Duration::from_millis(30);

/// The names in a folder; those of folders end in a slash.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    schema: String,
    names: BTreeSet<String>,
}

/// Names a file, and every folder above it.
pub(super) async fn add(session: &Arc<Session>, key: &str) -> Result<(), StoreError> {
    let mut names = Vec::new();
    let (mut folder, name) = split(key);
    names.push((folder, name.to_owned()));
    while !folder.is_empty() {
        let (above, name) = split(folder);
        names.push((above, format!("{name}/")));
        folder = above;
    }
    try_join_all(names.into_iter().map(|(folder, name)| add_name(session, folder, name))).await?;
    Ok(())
}

async fn add_name(session: &Session, folder: &str, name: String) -> Result<(), StoreError> {
    let key = join(folder, NAME);
    let url = session.address().file(&key)?;
    make_above(session, &key).await?;
    // Names are never taken away, so what was seen once belongs there, although a broken connection may have cut it off.
    let mut names = BTreeSet::from([name]);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let there = read(session, folder).await?.unwrap_or_default();
        if there.is_whole && there.names.is_superset(&names) {
            return Ok(());
        }
        names.extend(there.names);
        let index = serde_json::to_vec(&Index { schema: SCHEMA.to_owned(), names: names.clone() });
        let mut line = index.map_err(|error| bad(session, &key, error.to_string()))?;
        line.push(b'\n');
        // Never sent twice: by then, another push may have written more.
        match Payload::Bytes(line.into()).send(session, &url, &HeaderMap::new()).await {
            Ok(answer) if answer.status().is_success() || transient(&answer).is_some() => {}
            Ok(answer) => return Err(refusal("PUT", &answer)),
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(error),
        }
        // Whoever read before that writes within the time that a turn takes here; chance keeps two apart.
        let turn = begun.elapsed() + SHORTEST_TURN;
        tokio::time::sleep(turn * 2 + turn.mul_f64(3.0 * fastrand::f64())).await;
    }
    Err(bad(session, &key, "other pushes keep overwriting it".to_owned()))
}

/// What an index names. There must be one: without it, nobody knows what is there.
pub(super) async fn members(session: &Session, folder: &str) -> Result<Vec<(String, Member)>, StoreError> {
    let Some(Names { names, is_whole }) = read(session, folder).await? else {
        let url = session.address().folder(folder)?;
        return Err(StoreError::CannotList { url: crate::http::shown(&url) });
    };
    if !is_whole {
        // What is missing must not be taken for what isn't there.
        let why = "the list of the folder is cut off; the next push into it writes it anew";
        return Err(bad(session, &join(folder, NAME), why.to_owned()));
    }
    let found: Vec<_> = iter(names)
        .map(|name| async move {
            let member = match name.strip_suffix('/') {
                Some(name) => Some((name.to_owned(), Member::Folder)),
                None => head(session, &join(folder, &name)).await?.map(|file| (name, Member::File(file))),
            };
            Ok::<_, StoreError>(member)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    found.into_iter().filter_map(Result::transpose).collect()
}

/// What can be read of an index.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    /// As far as they can be names.
    names: BTreeSet<String>,
    /// Whether it was written to its end.
    is_whole: bool,
}

/// The names of a folder's index; none if there is no index.
async fn read(session: &Session, folder: &str) -> Result<Option<Names>, StoreError> {
    let key = join(folder, NAME);
    let url = session.address().file(&key)?;
    let answer = session.ask_whole(&Method::GET, &url, &HeaderMap::new(), None, (200, LONGEST)).await?;
    let bytes: Bytes = match answer {
        Ok(read) => read.into(),
        Err(answer) if matches!(answer.status().as_u16(), 404 | 410) => return Ok(None),
        Err(answer) => return Err(refusal("GET", &answer)),
    };
    parse(&bytes).map(Some).map_err(|why| bad(session, &key, why))
}

/// Understands an index, also one that a broken connection has cut off: a server may keep what it got of a file.
fn parse(bytes: &[u8]) -> Result<Names, String> {
    let (index, is_whole) = match serde_json::from_slice::<Index>(bytes) {
        Ok(index) => (index, true),
        Err(error) if error.is_eof() => (before_the_cut(bytes), false),
        Err(error) => return Err(error.to_string()),
    };
    if index.schema != SCHEMA {
        return Err(format!("its schema is `{}`, not `{SCHEMA}`", index.schema.escape_default()));
    }
    let usable = |name: &String| is_name(name.strip_suffix('/').unwrap_or(name));
    Ok(Names { names: index.names.into_iter().filter(usable).collect(), is_whole })
}

/// What an index holds up to the last name that was written to its end.
fn before_the_cut(bytes: &[u8]) -> Index {
    let end = bytes.windows(2).rposition(|pair| pair == b"\",").map_or(0, |at| at + 1);
    let start = bytes.get(..end).unwrap_or_default();
    let whole = serde_json::from_slice(&[start, b"]}"].concat());
    whole.unwrap_or_else(|_| Index { schema: SCHEMA.to_owned(), names: BTreeSet::new() })
}

fn bad(session: &Session, key: &str, why: String) -> StoreError {
    StoreError::BadAnswer { url: format!("{}{key}", session.address().shown()), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_index_keeps_its_names() {
        let names = BTreeSet::from(["a.json", "b/", "c/"].map(str::to_owned));
        let whole = serde_json::to_vec(&Index { schema: SCHEMA.to_owned(), names: names.clone() }).unwrap();
        assert_eq!(parse(&whole), Ok(Names { names, is_whole: true }));
        let mut last = 0;
        for length in 0..whole.len() {
            let found = parse(&whole[..length]).unwrap();
            assert!(!found.is_whole && found.names.len() >= last, "{length}: {found:?}");
            last = found.names.len();
        }
        assert_eq!(last, 2, "the last name may be cut");
        for other in ["[]", "garbage", r#"{"schema":"epitaph-index/2","names":[]}"#] {
            assert!(parse(other.as_bytes()).is_err(), "{other}");
        }
    }
}
