//! Keys and their URLs.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::StoreError;
use crate::http::shown;

/// The URL of a store; its path ends in a slash.
#[derive(Debug, Clone)]
pub(super) struct Address(Url);

impl Address {
    /// Takes a store's URL without user, query and fragment.
    pub(super) fn new(mut url: Url) -> Self {
        // Fails only for URLs that have no path, such as `data:`.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("");
        }
        Self(url)
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    /// As a person may see it.
    pub(super) fn shown(&self) -> String {
        shown(&self.0)
    }

    /// The URL of a file. A `%` of the key is data, so it becomes `%25`.
    pub(super) fn file(&self, key: &str) -> Result<Url, StoreError> {
        if key.is_empty() || !key.split('/').all(is_name) {
            return Err(StoreError::UnsafePath { path: key.to_owned(), why: "it is no key of a store" });
        }
        let mut url = self.0.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(key.split('/'));
        }
        Ok(url)
    }

    /// The URL of a folder, which ends in a slash; the store itself is the empty key.
    pub(super) fn folder(&self, key: &str) -> Result<Url, StoreError> {
        if key.is_empty() {
            return Ok(self.0.clone());
        }
        let mut url = self.file(key)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push("");
        }
        Ok(url)
    }

    /// The name of a member of a folder, by the `href` that a server told for it; none for the folder itself and for
    /// whatever is not right below it. Only the path counts: behind a proxy, a server may know itself by another name.
    pub(super) fn member(&self, folder: &str, href: &str) -> Option<String> {
        let folder = self.folder(folder).ok()?;
        let href = folder.join(href).ok()?;
        let (mut above, mut here) = (names(&folder)?, names(&href)?);
        let name = here.pop()?;
        // The folder's own href differs in length, and a name below another folder in what is above it.
        (here == std::mem::take(&mut above) && is_name(&name)).then_some(name)
    }
}

/// The decoded names in a URL's path; none if one is not text.
fn names(url: &Url) -> Option<Vec<String>> {
    let path = url.path().trim_matches('/');
    let decode = |name: &str| percent_decode_str(name).decode_utf8().ok().map(|name| name.into_owned());
    path.split('/').filter(|name| !name.is_empty()).map(decode).collect()
}

/// Whether a text can be one name in a key.
pub(super) fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(|char: char| char == '/' || char.is_control())
}

/// The key of something in a folder.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// A key's folder and its name there.
pub(super) fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or(("", key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Address {
        Address::new(Url::parse(url).unwrap())
    }

    #[test]
    fn keys_become_urls() {
        let store = address("http://h/a%20b");
        assert_eq!(store.shown(), "http://h/a%20b/");
        let url = store.file("runs/repo=acme%2Fapp/ä b?#.json").unwrap();
        assert_eq!(url.as_str(), "http://h/a%20b/runs/repo=acme%252Fapp/%C3%A4%20b%3F%23.json");
        assert_eq!(store.folder("runs").unwrap().as_str(), "http://h/a%20b/runs/");
        assert_eq!(store.folder("").unwrap().as_str(), "http://h/a%20b/");
        assert_eq!(address("http://h").file("x").unwrap().as_str(), "http://h/x");
    }

    #[test]
    fn no_key_leads_out_of_the_store() {
        let store = address("http://h/a/");
        for key in ["", "/x", "x/", "a//b", "..", "a/../b", "a/.", "a\nb", "a\0"] {
            assert!(store.file(key).is_err(), "{key:?}");
        }
        // A URL parser would take these as steps up.
        assert_eq!(store.file("%2e%2e/x").unwrap().as_str(), "http://h/a/%252e%252e/x");
    }

    #[test]
    fn members_are_right_below_their_folder() {
        let store = address("http://h:8080/a/");
        let member = |href: &str| store.member("runs/repo=x%2Fy", href);
        for href in [
            "/a/runs/repo=x%252Fy/n%C3%A4me%201",
            "http://h:8080/a/runs/repo%3dx%252Fy/n%c3%a4me%201",
            "https://inside.example/a/runs/repo=x%252Fy/näme 1/",
            "näme 1",
        ] {
            assert_eq!(member(href).as_deref(), Some("näme 1"), "{href}");
        }
        for href in [
            "/a/runs/repo=x%252Fy/",
            "/a/runs/repo=x%252Fy",
            "/a/runs/repo=x%2Fy/name",
            "/a/runs/repo=x%252Fy/deep/name",
            "/a/runs/repo=x%252Fy/../name",
            "/a/runs/repo=x%252Fy/%2e%2e/name",
            "/a/runs/other/name",
            "/b/runs/repo=x%252Fy/name",
            "/a/runs/repo=x%252Fy/n%00me",
            "/a/runs/repo=x%252Fy/a%2Fb",
            "/a/runs/repo=x%252Fy/%FF",
            "/",
            "",
            "http://[",
        ] {
            assert_eq!(member(href), None, "{href}");
        }
    }
}
