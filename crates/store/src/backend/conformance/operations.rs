//! The table of operations.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use jiff::{SignedDuration, Timestamp};

use crate::backend::Backend;
use crate::hash::sha256_of;
use crate::layout::blob_key;

/// An operation, and how it is tried; an error says what is wrong.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) run: for<'a> fn(&'a dyn Backend, usize) -> Outcome<'a>,
}

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

pub(super) const TABLE: &[Case] = &[
    Case { name: "put", run: |backend, _| Box::pin(put(backend)) },
    Case { name: "absent", run: |backend, _| Box::pin(absent(backend)) },
    Case { name: "range", run: |backend, _| Box::pin(range(backend)) },
    Case { name: "create", run: |backend, _| Box::pin(create(backend)) },
    Case { name: "one winner", run: |backend, _| Box::pin(one_winner(backend)) },
    Case { name: "names", run: |backend, _| Box::pin(names(backend)) },
    Case { name: "file", run: |backend, _| Box::pin(file(backend)) },
    Case { name: "empty file", run: |backend, _| Box::pin(empty(backend)) },
    Case { name: "alias", run: |backend, _| Box::pin(alias(backend)) },
    Case { name: "list", run: |backend, _| Box::pin(list(backend)) },
    Case { name: "list created", run: |backend, _| Box::pin(list_created(backend)) },
    Case { name: "many", run: |backend, many| Box::pin(list_many(backend, many)) },
    Case { name: "delete", run: |backend, _| Box::pin(delete(backend)) },
    Case { name: "sweep", run: |backend, _| Box::pin(sweep(backend)) },
];

/// The length of the file that is sent in several parts by stores that have parts, in bytes; no multiple of any.
const LONG: usize = (64 << 20) + 7;

macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+));
        }
    };
}

/// A prefix that no other test has, so that a store may be tried twice.
fn fresh(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("conformance/{name}-{:x}-{count}", fastrand::u64(..))
}

fn text(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

async fn read(
    backend: &dyn Backend,
    key: &str,
    range: std::ops::Range<u64>,
) -> Result<(u64, Vec<u8>), String> {
    let content = backend.get(key, range).await.map_err(text)?;
    let size = content.size;
    Ok((size, content.bytes(1 << 30).await.map_err(text)?.ok_or("longer than a GiB")?))
}

async fn all(backend: &dyn Backend, key: &str) -> Result<Vec<u8>, String> {
    Ok(read(backend, key, 0..u64::MAX).await?.1)
}

/// Written, read, written over, and known by its length and time.
async fn put(backend: &dyn Backend) -> Result<(), String> {
    backend.prepare().await.map_err(text)?;
    let key = format!("{}/deep/er/x.json", fresh("put"));
    for content in [&b"first"[..], b"", b"second one"] {
        backend.put(&key, content.to_vec()).await.map_err(text)?;
        ensure!(all(backend, &key).await? == content, "{content:?} was not read back");
        let head = backend.head(&key).await.map_err(text)?.ok_or("no head")?;
        ensure!(head.key == key && head.size == content.len() as u64, "head is {head:?}");
        let age = Timestamp::now().duration_since(head.modified).abs();
        ensure!(age < SignedDuration::from_mins(10), "it was written {age} ago");
    }
    Ok(())
}

/// What isn't there is told apart from what can't be read; a folder is no file.
async fn absent(backend: &dyn Backend) -> Result<(), String> {
    let prefix = fresh("absent");
    backend.put(&format!("{prefix}/folder/file"), b"x".to_vec()).await.map_err(text)?;
    for key in ["none", "folder/none", "none/none", "folder"] {
        let key = format!("{prefix}/{key}");
        if key.ends_with("/folder") && backend.local().is_some() {
            continue; // its callers never ask for one
        }
        ensure!(backend.head(&key).await.map_err(text)?.is_none(), "{key} has a head");
        match backend.get(&key, 0..u64::MAX).await {
            Ok(_) => return Err(format!("{key} can be read")),
            Err(error) => ensure!(error.is_absent(), "{key}: {}", text(error)),
        }
    }
    Ok(())
}

/// Parts of a file, up to its end, at its end and behind it.
async fn range(backend: &dyn Backend) -> Result<(), String> {
    let key = format!("{}/x", fresh("range"));
    backend.put(&key, b"0123456789".to_vec()).await.map_err(text)?;
    for (range, content) in [
        (0..3, &b"012"[..]),
        (4..5, b"4"),
        (7..10, b"789"),
        (7..100, b"789"),
        (9..u64::MAX, b"9"),
        (0..u64::MAX, b"0123456789"),
    ] {
        let read = read(backend, &key, range.clone()).await?;
        ensure!(read == (10, content.to_vec()), "{range:?} is {read:?}");
    }
    for range in [10..20, 10..u64::MAX, 200..300] {
        if let Ok((_, bytes)) = read(backend, &key, range.clone()).await {
            ensure!(bytes.is_empty(), "{range:?} is {bytes:?}");
        }
    }
    Ok(())
}

/// The first one stays.
async fn create(backend: &dyn Backend) -> Result<(), String> {
    let key = format!("{}/m.json", fresh("create"));
    ensure!(backend.create(&key, b"one\n".to_vec()).await.map_err(text)?, "it was there already");
    ensure!(!backend.create(&key, b"two\n".to_vec()).await.map_err(text)?, "it was created twice");
    ensure!(all(backend, &key).await? == b"one\n", "the second one won");
    Ok(())
}

/// Of those that create at once, one does, and its content stays.
async fn one_winner(backend: &dyn Backend) -> Result<(), String> {
    for _ in 0..5 {
        let key = format!("{}/m.json", fresh("winner"));
        let creates = (0..4).map(|number| backend.create(&key, format!("content {number}\n").into_bytes()));
        let mut winners = Vec::new();
        for (number, created) in join_all(creates).await.into_iter().enumerate() {
            if created.map_err(text)? {
                winners.push(number);
            }
        }
        ensure!(winners.len() == 1, "{winners:?} of 4 won");
        let expected = format!("content {}\n", winners[0]).into_bytes();
        ensure!(all(backend, &key).await? == expected, "another content than the winner's is there");
    }
    Ok(())
}

/// Every character that a key may hold, listed as it was put.
async fn names(backend: &dyn Backend) -> Result<(), String> {
    let prefix = fresh("names");
    let mut keys: Vec<String> = [
        "repo=acme%2Fapp",
        "a b",
        "job=1+2",
        "ä-日本",
        "100%",
        "x%y%zz",
        "a&b<c>",
        "q?x=1#f",
        "semi;colon",
        "'\"",
        "[~]{|}^`",
        "a:b@c!$,",
    ]
    .iter()
    .map(|name| format!("{prefix}/{name}/{name}.json"))
    .collect();
    for key in &keys {
        ensure!(backend.create(key, key.clone().into_bytes()).await.map_err(text)?, "{key} was there");
        ensure!(all(backend, key).await? == key.as_bytes(), "{key} has another content");
    }
    let mut listed: Vec<String> =
        backend.list(&prefix).await.map_err(text)?.into_iter().map(|object| object.key).collect();
    listed.sort();
    keys.sort();
    ensure!(listed == keys, "listed are {listed:?}");
    for key in &keys {
        let folder = key.rsplit_once('/').unwrap().0;
        let listed = backend.list(folder).await.map_err(text)?;
        ensure!(listed.len() == 1, "below {folder} are {listed:?}");
    }
    let mut folders = backend.folders(&prefix).await.map_err(text)?;
    folders.sort();
    let expected: Vec<&str> = keys.iter().map(|key| key.split('/').nth(2).unwrap()).collect();
    ensure!(folders == expected, "folders are {folders:?}");
    Ok(())
}

/// A file too long for one part, and once more when it is there.
async fn file(backend: &dyn Backend) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    let seed = fastrand::u8(..);
    let bytes: Vec<u8> = (0..LONG).map(|at| (at / 4096) as u8 ^ (at as u8) ^ seed).collect();
    std::fs::write(&path, &bytes).unwrap();
    let position = AtomicU64::new(0);
    let at = |now: u64| position.store(now, Ordering::Relaxed);
    let stored = backend.put_file(&path, &at).await.map_err(text)?;
    ensure!(stored.content.size == LONG as u64 && stored.there_since.is_none(), "stored is {stored:?}");
    ensure!(position.load(Ordering::Relaxed) <= LONG as u64, "told a position behind the end");
    let key = blob_key(&stored.content.sha256).unwrap();
    let (size, back) = read(backend, &key, 0..u64::MAX).await?;
    ensure!(size == LONG as u64 && back == bytes, "it came back changed");
    let again = backend.put_file(&path, &at).await.map_err(text)?;
    ensure!(again.content == stored.content && again.there_since.is_some(), "again it is {again:?}");
    Ok(())
}

/// A file of no bytes.
async fn empty(backend: &dyn Backend) -> Result<(), String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let stored = backend.put_file(file.path(), &|_| ()).await.map_err(text)?;
    ensure!(stored.content.sha256 == sha256_of("") && stored.content.size == 0, "stored is {stored:?}");
    let read = read(backend, &blob_key(&sha256_of("")).unwrap(), 0..u64::MAX).await?;
    ensure!(read == (0, Vec::new()), "{read:?} came back");
    Ok(())
}

/// A second key of the same content; the first content of a second key stays.
async fn alias(backend: &dyn Backend) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let key = format!("{}/executable", fresh("alias"));
    let contents = [fresh("first"), fresh("second")];
    for content in &contents {
        let path = dir.path().join("f");
        std::fs::write(&path, content).unwrap();
        let stored = backend.put_file(&path, &|_| ()).await.map_err(text)?;
        backend.alias(&stored.content.sha256, &key).await.map_err(text)?;
        let blob = all(backend, &blob_key(&stored.content.sha256).unwrap()).await?;
        ensure!(blob == content.as_bytes(), "the first key lost its content");
    }
    ensure!(all(backend, &key).await? == contents[0].as_bytes(), "the second content won");
    Ok(())
}

/// Everything below a prefix, and nothing else.
async fn list(backend: &dyn Backend) -> Result<(), String> {
    let prefix = fresh("list");
    let keys = ["a/1.json", "a/b/2.json", "a/b/c/3.json", "ab/4.json"].map(|key| format!("{prefix}/{key}"));
    for (length, key) in keys.iter().enumerate() {
        backend.put(key, vec![7; length]).await.map_err(text)?;
    }
    let mut found = backend.list(&format!("{prefix}/a")).await.map_err(text)?;
    found.sort_by(|a, b| a.key.cmp(&b.key));
    let found: Vec<(&str, u64)> = found.iter().map(|object| (object.key.as_str(), object.size)).collect();
    ensure!(found == [(keys[0].as_str(), 0), (&keys[1], 1), (&keys[2], 2)], "found {found:?}");
    let mut folders = backend.folders(&prefix).await.map_err(text)?;
    folders.sort();
    ensure!(folders == ["a", "ab"], "folders are {folders:?}");
    ensure!(backend.list(&format!("{prefix}/none")).await.map_err(text)?.is_empty(), "nothing has keys");
    Ok(())
}

/// What was created is found again, everywhere.
async fn list_created(backend: &dyn Backend) -> Result<(), String> {
    let prefix = fresh("created");
    let mut keys: Vec<String> =
        (0..6).map(|number| format!("{prefix}/job={}/node={number}/m.json", number / 2)).collect();
    for created in join_all(keys.iter().map(|key| backend.create(key, b"{}\n".to_vec()))).await {
        ensure!(created.map_err(text)?, "it was there");
    }
    let mut listed: Vec<String> =
        backend.list(&prefix).await.map_err(text)?.into_iter().map(|object| object.key).collect();
    listed.sort();
    keys.sort();
    ensure!(listed == keys, "listed are {listed:?}");
    Ok(())
}

/// More keys than a store lists in one answer.
async fn list_many(backend: &dyn Backend, many: usize) -> Result<(), String> {
    let prefix = fresh("many");
    let puts = (0..many).map(|number| {
        let key = format!("{prefix}/{:02}/{number}.json", number % 3);
        async move { backend.put(&key, b"{}\n".to_vec()).await.map_err(text) }
    });
    let puts: Vec<Outcome<'_>> = puts.map(|put| Box::pin(put) as Outcome<'_>).collect();
    iter(puts).buffer_unordered(16).try_collect::<()>().await?;
    let listed = backend.list(&prefix).await.map_err(text)?;
    let mut keys: Vec<&str> = listed.iter().map(|object| object.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    ensure!(keys.len() == many && listed.len() == many, "{} of {many} are listed", listed.len());
    Ok(())
}

/// What is there goes, what isn't is no error, and what stands beside stays.
async fn delete(backend: &dyn Backend) -> Result<(), String> {
    let prefix = fresh("delete");
    let keys = ["a", "b", "c"].map(|key| format!("{prefix}/{key}"));
    for key in &keys {
        backend.put(key, b"x".to_vec()).await.map_err(text)?;
    }
    let gone = [keys[0].clone(), keys[1].clone(), format!("{prefix}/none"), format!("{prefix}/no/ne")];
    backend.delete(&gone).await.map_err(text)?;
    for (key, there) in [(&keys[0], false), (&keys[1], false), (&keys[2], true)] {
        ensure!(backend.head(key).await.map_err(text)?.is_some() == there, "{key} is wrong");
    }
    backend.delete(&[]).await.map_err(text)
}

/// Nothing is left unfinished by all of this, and sweeping takes nothing that is finished.
async fn sweep(backend: &dyn Backend) -> Result<(), String> {
    let key = format!("{}/x", fresh("sweep"));
    backend.put(&key, b"x".to_vec()).await.map_err(text)?;
    let later = Timestamp::now() + SignedDuration::from_hours(1);
    let swept = backend.sweep(later).await.map_err(text)?;
    ensure!(swept == 0, "{swept} uploads were left unfinished");
    ensure!(all(backend, &key).await? == b"x", "a finished file was swept away");
    Ok(())
}
