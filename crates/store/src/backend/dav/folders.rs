//! Makes folders where a server wants them made before files.

use reqwest::Method;
use reqwest::header::HeaderMap;

use super::address::split;
use super::session::{Session, refusal};
use crate::StoreError;

/// Makes the folders above a key, as far as the server lets them be made: whether they are there, the PUT tells.
pub(super) async fn make_above(session: &Session, key: &str) -> Result<(), StoreError> {
    let mut folder = split(key).0;
    let mut missing = Vec::new();
    while !session.knows_folder(folder) {
        if make(session, folder).await? {
            session.has_folder(folder);
            break;
        }
        missing.push(folder);
        if folder.is_empty() {
            break;
        }
        folder = split(folder).0;
    }
    // The deepest one came first, and lacked those after it.
    for folder in missing.into_iter().rev() {
        if make(session, folder).await? {
            session.has_folder(folder);
        }
    }
    Ok(())
}

/// Makes one folder; `false` if the one above it may be missing (RFC 4918, 9.3.1).
async fn make(session: &Session, folder: &str) -> Result<bool, StoreError> {
    let url = session.address().folder(folder)?;
    let answer = session.ask(&method("MKCOL")?, &url, &HeaderMap::new(), None).await?;
    match answer.status().as_u16() {
        401 => Err(refusal("MKCOL", &answer)),
        403 | 404 | 409 => Ok(false),
        // Made, there already (405), or nothing that this server does (405, 501): it then makes folders by itself.
        _ => Ok(true),
    }
}

/// A method of WebDAV by its name.
pub(super) fn method(name: &'static str) -> Result<Method, StoreError> {
    Method::from_bytes(name.as_bytes())
        .map_err(|_| StoreError::BadAnswer { url: name.to_owned(), why: "it is no method of HTTP".to_owned() })
}
