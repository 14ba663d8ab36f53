//! Makes folders where a server wants them made before files.

use reqwest::Method;
use reqwest::header::HeaderMap;
use url::Url;

use super::address::split;
use super::session::{Session, refusal};
use crate::StoreError;

/// Makes the folders above a key, those of the store's own address too, as far as the server lets them be made: whether
/// they are there, the PUT tells.
pub(super) async fn make_above(session: &Session, key: &str) -> Result<(), StoreError> {
    let mut folder = session.address().folder(split(key).0)?;
    let mut missing = Vec::new();
    while folder.path() != "/" && !session.knows_folder(folder.path()) {
        if make(session, &folder).await? {
            break;
        }
        let Ok(above) = folder.join("..") else { break };
        missing.push(std::mem::replace(&mut folder, above));
    }
    // The deepest one came first, and lacked those after it.
    for folder in missing.iter().rev() {
        make(session, folder).await?;
    }
    Ok(())
}

/// Makes one folder; `false` if the one above it may be missing (RFC 4918, 9.3.1).
async fn make(session: &Session, folder: &Url) -> Result<bool, StoreError> {
    match session.ask(&method("MKCOL")?, folder, &HeaderMap::new(), None).await {
        Ok(answer) => match answer.status().as_u16() {
            401 => return Err(refusal("MKCOL", &answer)),
            403 | 404 | 409 => return Ok(false),
            // Made, there already (405), or nothing that this server does (405, 501): it then makes folders by itself.
            _ => {}
        },
        // Something is there, and leads elsewhere.
        Err(StoreError::Redirect { .. }) => {}
        Err(error) => return Err(error),
    }
    session.has_folder(folder.path());
    Ok(true)
}

/// A method of WebDAV by its name.
pub(super) fn method(name: &'static str) -> Result<Method, StoreError> {
    Method::from_bytes(name.as_bytes()).map_err(|_| StoreError::BadAnswer {
        url: name.to_owned(),
        why: "it is no method of HTTP".to_owned(),
    })
}
