//! Keys for S3 in exchange for what a CI system says of its job (OpenID Connect): `AssumeRoleWithWebIdentity` of the AWS
//! Security Token Service API, version 2011-06-15.
//!
//! The object store's library can do that as well, but it wants the token in a file, and sends it in the address of its
//! request. Here the token stays in memory, and is sent in the request's content, over TLS, to that service alone.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::http::{Answer, Client, Credential, Retry, is_loopback, shown};
use crate::options::{CloudSettings, Network, OidcToken, StoreOptions};
use crate::{NoProgress, StoreError};

/// Who the token is for, as GitHub is asked for one: the name that AWS documents for its side.
const AUDIENCE: &str = "sts.amazonaws.com";
/// The region whose service is asked where none is set, as the object store's library has it.
const REGION: &str = "us-east-1";
/// What the session is called in AWS's logs, where nothing else is set.
const SESSION: &str = "epitaph";
/// The longest answer that is understood, in bytes.
const LONGEST: usize = 256 << 10;
/// New keys are asked for when the old ones are valid for less than this.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// Gets keys, and new ones before they expire.
pub(super) struct WebIdentity {
    token: TokenSource,
    service: Url,
    client: Client,
    role: String,
    session: String,
    network: Network,
    held: Mutex<Option<Held>>,
}

/// Where the token comes from.
enum TokenSource {
    Ready(String),
    /// From GitHub, which gives a new one whenever it is asked.
    Asked(Box<GitHub>),
}

/// Who gives a token to jobs that ask for one.
struct GitHub {
    client: Client,
    url: Url,
}

struct Held {
    keys: Arc<AwsCredential>,
    expires: Timestamp,
}

impl WebIdentity {
    /// Prepares to get keys for the store at `store`, of the role that the settings name. Nothing is asked for yet.
    pub(super) fn new(store: &Url, token: &OidcToken, options: &StoreOptions) -> Result<Self, StoreError> {
        let bad = |why: &str| StoreError::BadSettings { url: shown(store), why: why.to_owned() };
        let setting = |names: &[&str]| names.iter().find_map(|name| setting(&options.cloud, name));
        let role = setting(&["AWS_ROLE_ARN"]).ok_or_else(|| bad("AWS_ROLE_ARN names no role"))?;
        let region = setting(&["AWS_REGION", "AWS_DEFAULT_REGION"]).unwrap_or_else(|| REGION.to_owned());
        let service = setting(&["AWS_ENDPOINT_URL_STS"])
            .unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com"));
        let service = private(&service).ok_or_else(|| bad("the address of STS is not one of https"))?;
        let client = |url: &Url, credential| {
            Client::new(url, credential, options.ca_file.as_deref(), &options.network)
        };
        let token = match token {
            OidcToken::Ready(token) => TokenSource::Ready(token.text()),
            OidcToken::GitHub { url, token } => {
                let mut url =
                    private(url).ok_or_else(|| bad("GitHub's address for tokens is not one of https"))?;
                url.query_pairs_mut().append_pair("audience", AUDIENCE);
                let headers = HeaderMap::from_iter([(AUTHORIZATION, token.bearer())]);
                let credential = Credential { headers, origin: url.origin(), domain: None };
                TokenSource::Asked(Box::new(GitHub { client: client(&url, Some(credential))?, url }))
            }
        };
        Ok(Self {
            token,
            client: client(&service, None)?,
            service,
            role,
            session: setting(&["AWS_ROLE_SESSION_NAME"]).unwrap_or_else(|| SESSION.to_owned()),
            network: options.network.clone(),
            held: Mutex::default(),
        })
    }

    async fn keys(&self) -> Result<Arc<AwsCredential>, StoreError> {
        let mut held = self.held.lock().await;
        let left = held.as_ref().map(|held| held.expires.duration_since(Timestamp::now()));
        if let (Some(held), Some(left)) = (&*held, left)
            && left > MARGIN
        {
            return Ok(Arc::clone(&held.keys));
        }
        match self.ask().await {
            Ok(new) => Ok(Arc::clone(&held.insert(new).keys)),
            // The old ones do for now.
            Err(_) if left.is_some_and(|left| left.is_positive()) => {
                held.as_ref().map(|held| Arc::clone(&held.keys)).ok_or_else(|| self.refused("no keys"))
            }
            Err(error) => Err(error),
        }
    }

    async fn ask(&self) -> Result<Held, StoreError> {
        let token = match &self.token {
            TokenSource::Ready(token) => token.clone(),
            TokenSource::Asked(github) => self.ask_github(github).await?,
        };
        let form = Serializer::new(String::new())
            .append_pair("Action", "AssumeRoleWithWebIdentity")
            .append_pair("Version", "2011-06-15")
            .append_pair("DurationSeconds", "3600")
            .append_pair("RoleArn", &self.role)
            .append_pair("RoleSessionName", &self.session)
            .append_pair("WebIdentityToken", &token)
            .finish();
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
            (ACCEPT, HeaderValue::from_static("text/xml")),
        ]);
        let body = Bytes::from(form);
        let mut retry = Retry::new(&self.network);
        let answer = loop {
            let answer = self.client.send(&Method::POST, &self.service, &headers, Some(&body)).await;
            match answer.and_then(unless_broken) {
                Ok(answer) => break answer,
                Err(error) => retry.wait(error, "STS", &NoProgress).await?,
            }
        };
        let status = answer.status();
        let text = answer.body(LONGEST).await?;
        let text = String::from_utf8_lossy(&text);
        if status != StatusCode::OK {
            // The rest of what it says may repeat the token.
            let refusal = quick_xml::de::from_str::<Refusal>(&text).ok();
            let code = refusal.map(|refusal| refusal.error.code).filter(|code| is_name(code));
            return Err(self.refused(&code.unwrap_or_else(|| format!("it answered {}", status.as_u16()))));
        }
        let answer: Answered =
            quick_xml::de::from_str(&text).map_err(|_| self.refused("its answer can't be understood"))?;
        let keys = answer.result.credentials;
        let expires = keys.expiration.parse();
        Ok(Held {
            expires: expires
                .map_err(|_| self.refused("its answer doesn't say how long the keys are valid"))?,
            keys: Arc::new(AwsCredential {
                key_id: keys.access_key_id,
                secret_key: keys.secret_access_key,
                token: Some(keys.session_token),
            }),
        })
    }

    /// Asks GitHub for a token ("OpenID Connect reference", "Methods for requesting the OIDC token").
    async fn ask_github(&self, github: &GitHub) -> Result<String, StoreError> {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let mut retry = Retry::new(&self.network);
        loop {
            let answer = github.client.get(&github.url, &headers).await.and_then(unless_broken);
            let answer = match answer {
                Ok(answer) if answer.status() == StatusCode::OK => answer,
                Ok(answer) => return Err(answer.refusal()),
                Err(error) => {
                    retry.wait(error, "GitHub", &NoProgress).await?;
                    continue;
                }
            };
            let given: Given = serde_json::from_slice(&answer.body(LONGEST).await?)
                .map_err(|_| self.refused("GitHub's answer holds no token"))?;
            return Ok(given.value);
        }
    }

    fn refused(&self, why: &str) -> StoreError {
        StoreError::NotTrusted { url: shown(&self.service), why: why.to_owned() }
    }
}

#[async_trait]
impl CredentialProvider for WebIdentity {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        self.keys()
            .await
            .map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })
    }
}

impl fmt::Debug for WebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebIdentity").field("role", &self.role).finish_non_exhaustive()
    }
}

/// What STS answers.
#[derive(Deserialize)]
struct Answered {
    #[serde(rename = "AssumeRoleWithWebIdentityResult")]
    result: Granted,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Granted {
    credentials: Keys,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    /// RFC 3339.
    expiration: String,
}

/// What STS answers where it refuses.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    error: Reason,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reason {
    code: String,
}

/// What GitHub answers.
#[derive(Deserialize)]
struct Given {
    value: String,
}

/// An answer, unless its status says that another attempt may succeed.
fn unless_broken(answer: Answer) -> Result<Answer, StoreError> {
    let error = answer.refusal();
    if error.is_transient() { Err(error) } else { Ok(answer) }
}

/// A setting by the name of its variable.
fn setting(cloud: &CloudSettings, name: &str) -> Option<String> {
    cloud.starting(name).find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}

/// An address that a token may be sent to: nobody on the way can read it.
fn private(text: &str) -> Option<Url> {
    Url::parse(text)
        .ok()
        .filter(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)))
}

/// The codes of STS are such: `AccessDenied`, `ExpiredTokenException`.
fn is_name(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
