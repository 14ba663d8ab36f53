//! The servers of `DEBUGINFOD_URLS`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use reqwest::header::HeaderMap;
use url::Url;

use super::wanted::DebuginfodWanted;
use crate::http::{Client, Credential, shown};
use crate::options::Network;
use crate::{StoreError, Warning};

/// Begins a word of `DEBUGINFOD_URLS` that is no URL: how the servers after it have to be verified.
const POLICY: &str = "ima:";
/// The policy that asks for nothing.
const NO_POLICY: &str = "ima:ignore";

/// The servers, by kind.
#[derive(Debug, Default)]
pub(super) struct Servers {
    /// Folders in the shape of a server, the `file://` URLs.
    pub(super) folders: Vec<PathBuf>,
    pub(super) web: Vec<WebServer>,
    /// What can't be used.
    pub(super) problems: Vec<Warning>,
}

/// A server on the network.
#[derive(Debug)]
pub(super) struct WebServer {
    base: Url,
    client: OnceLock<Client>,
    /// Why it isn't asked any more.
    down: OnceLock<String>,
}

impl Servers {
    /// Takes the words of `DEBUGINFOD_URLS`.
    pub(super) fn parse(words: &[String]) -> Self {
        let mut servers = Self::default();
        let mut policy = NO_POLICY;
        for (index, word) in words.iter().enumerate() {
            if word.starts_with(POLICY) {
                policy = word;
                continue;
            }
            if let Err((name, why)) = servers.add(word, policy) {
                let path = name.unwrap_or_else(|| format!("debuginfod server number {}", index + 1));
                servers.problems.push(Warning { path, message: format!("it can't be asked: {why}") });
            }
        }
        servers
    }

    /// Adds a server, unless it is there already. An error has the server's name, if that may be told, and the reason.
    fn add(&mut self, word: &str, policy: &str) -> Result<(), (Option<String>, String)> {
        let mut url =
            Url::parse(word).map_err(|error| (None, format!("its URL can't be parsed ({error})")))?;
        let name = Some(shown(&url));
        if policy != NO_POLICY {
            return Err((
                name,
                format!("its files would have to be verified ({policy}), which isn't supported"),
            ));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            let why = "its URL holds a user or a query: secrets belong into DEBUGINFOD_HEADERS_FILE";
            return Err((name, why.to_owned()));
        }
        url.set_fragment(None);
        match url.scheme() {
            "http" | "https" => {
                if !self.web.iter().any(|server| server.base == url) {
                    self.web.push(WebServer { base: url, client: OnceLock::new(), down: OnceLock::new() });
                }
                Ok(())
            }
            "file" => {
                let path =
                    url.to_file_path().map_err(|()| (name, "its URL names no local folder".to_owned()))?;
                if !self.folders.contains(&path) {
                    self.folders.push(path);
                }
                Ok(())
            }
            scheme => Err((name, format!("{scheme} is none of http, https and file"))),
        }
    }
}

impl WebServer {
    /// Its name for people.
    pub(super) fn name(&self) -> String {
        shown(&self.base)
    }

    /// `GET {server}/buildid/{id}/{file}`: debuginfod(8), "WEBAPI".
    pub(super) fn url(&self, wanted: &DebuginfodWanted<'_>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["buildid", wanted.build_id, wanted.file.name()]);
        }
        url
    }

    /// The connections to it; `secret` headers go to it alone, wherever it redirects to.
    pub(super) fn client(
        &self,
        secret: &HeaderMap,
        ca_file: Option<&Path>,
        network: &Network,
    ) -> Result<&Client, StoreError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let credential = (!secret.is_empty()).then(|| Credential {
            headers: secret.clone(),
            origin: self.base.origin(),
            domain: None,
        });
        let client = Client::new(&self.base, credential, ca_file, network)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Asks it nothing any more.
    pub(super) fn give_up(&self, why: String) {
        self.down.get_or_init(|| why);
    }

    /// Why it isn't asked any more, if so.
    pub(super) fn down(&self) -> Option<&str> {
        self.down.get().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DebuginfodFile;

    fn parse(text: &str) -> Servers {
        Servers::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn urls_of_all_kinds() {
        let servers =
            parse("https://a/x/ http://b:8002 file:///srv/de%20bug https://a/x/ file:///srv/de%20bug");
        assert!(servers.problems.is_empty());
        assert_eq!(servers.folders, [PathBuf::from("/srv/de bug")]);
        let wanted = DebuginfodWanted { build_id: "0a0b", file: DebuginfodFile::Debuginfo, name: "x" };
        let urls: Vec<String> = servers.web.iter().map(|server| server.url(&wanted).into()).collect();
        assert_eq!(urls, ["https://a/x/buildid/0a0b/debuginfo", "http://b:8002/buildid/0a0b/debuginfo"]);
    }

    #[test]
    fn what_can_t_be_asked_is_told_without_its_secrets() {
        let servers =
            parse("nonsense ftp://h/ https://u:secret@h/ http://h/?secret file://elsewhere/x https://ok/");
        assert_eq!((servers.web.len(), servers.folders.len()), (1, 0));
        let told: Vec<String> =
            servers.problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
        assert_eq!(told.len(), 5, "{told:#?}");
        assert!(told[0].starts_with("debuginfod server number 1: it can't be asked:"), "{told:#?}");
        assert!(told.iter().all(|line| !line.contains("secret@") && !line.contains("?secret")), "{told:#?}");
    }

    #[test]
    fn a_policy_that_can_t_be_kept_keeps_its_servers_out() {
        let servers = parse("https://a/ ima:enforcing https://b/ https://c/ ima:ignore https://d/");
        assert_eq!(servers.web.iter().map(WebServer::name).collect::<Vec<_>>(), ["https://a/", "https://d/"]);
        assert!(servers.problems.iter().all(|problem| problem.message.contains("ima:enforcing")));
        assert_eq!(servers.problems.len(), 2);
    }
}
