//! From a URL and the environment's settings to an object store.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::multipart::MultipartStore;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use percent_encoding::percent_decode_str;
use url::Url;

use super::Objects;
use super::oidc::WebIdentity;
use super::transport::Transport;
use crate::StoreError;
use crate::http::shown;
use crate::options::{CloudSettings, Network, StoreOptions};

/// How long requests are repeated. Their signatures are valid for little longer.
pub(super) const LONGEST_RETRY: Duration = Duration::from_secs(180);

/// What is common to the builders of all providers.
macro_rules! build {
    ($builder:expr, $prefix:literal, $url:expr, $options:expr, $transport:expr) => {{
        let mut builder = $builder.with_url($url.as_str());
        for (key, value) in known($prefix, &$options.cloud) {
            builder = builder.with_config(key, value);
        }
        builder
            .with_retry(retry(&$options.network))
            .with_http_connector($transport)
            .build()
            .map_err(|error| StoreError::BadSettings { url: shown($url), why: cause(&error) })
            .map(both)
    }};
}

type Both = (Arc<dyn ObjectStore>, Option<Arc<dyn MultipartStore>>);

impl Objects {
    /// Opens the store of a URL with a scheme of object stores. Nothing is asked for yet.
    pub(crate) fn open(url: &Url, options: &StoreOptions) -> Result<Self, StoreError> {
        let endpoint = endpoint(url.scheme(), &options.cloud);
        let transport = Transport::new(endpoint.as_ref().unwrap_or(url), options)?;
        let (store, multipart) = match url.scheme() {
            "s3" | "s3a" => build!(s3(url, options)?, "AWS_", url, options, transport)?,
            scheme if options.oidc.is_some() => {
                let why = format!(
                    "keys in exchange for a CI system's token are had for s3:// alone, not {scheme}://"
                );
                return Err(StoreError::BadSettings { url: shown(url), why });
            }
            "gs" => build!(GoogleCloudStorageBuilder::new(), "GOOGLE_", url, options, transport)?,
            _ => build!(MicrosoftAzureBuilder::new(), "AZURE_", url, options, transport)?,
        };
        let prefix = percent_decode_str(url.path().trim_matches('/')).decode_utf8_lossy().into_owned();
        let shown = shown(url).trim_end_matches('/').to_owned();
        Ok(Self::new(store, multipart, prefix, shown, options))
    }
}

/// Who asks S3: whom the settings name, or a job by what its CI system says of it.
fn s3(url: &Url, options: &StoreOptions) -> Result<AmazonS3Builder, StoreError> {
    let builder = AmazonS3Builder::new();
    let Some(token) = &options.oidc else { return Ok(builder) };
    Ok(builder.with_credentials(Arc::new(WebIdentity::new(url, token, options)?)))
}

fn both<S: ObjectStore + MultipartStore>(store: S) -> Both {
    let store = Arc::new(store);
    (Arc::clone(&store) as Arc<dyn ObjectStore>, Some(store))
}

/// The settings that a provider's builder knows. Others have the same prefix and other readers.
fn known<K: FromStr>(prefix: &str, cloud: &CloudSettings) -> Vec<(K, String)> {
    let parse =
        |(name, value): (&str, &str)| Some((name.to_ascii_lowercase().parse().ok()?, value.to_owned()));
    cloud.starting(prefix).filter_map(parse).collect()
}

/// The server that is set instead of the provider's own.
fn endpoint(scheme: &str, cloud: &CloudSettings) -> Option<Url> {
    let (prefix, part) = match scheme {
        "s3" | "s3a" => ("AWS_", "ENDPOINT"),
        "gs" => ("GOOGLE_", "BASE_URL"),
        _ => ("AZURE_", "ENDPOINT"),
    };
    let is_one = |name: &str| name.contains(part) && !name.ends_with("_STS");
    let mut endpoints = cloud.starting(prefix).filter(|(name, _)| is_one(name));
    endpoints.find_map(|(_, value)| Url::parse(value).ok())
}

fn retry(network: &Network) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: network.first_wait,
            max_backoff: network.longest_wait,
            ..BackoffConfig::default()
        },
        max_retries: usize::try_from(network.attempts.saturating_sub(1)).unwrap_or(usize::MAX),
        retry_timeout: LONGEST_RETRY,
    }
}

fn cause(error: &object_store::Error) -> String {
    match error {
        object_store::Error::Generic { source, .. } => source.to_string(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Backend;

    fn open(url: &str, variables: &[(&str, &str)]) -> Result<Objects, StoreError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let cloud = CloudSettings::from_variables(variables);
        Objects::open(&Url::parse(url).unwrap(), &StoreOptions { cloud, ..StoreOptions::default() })
    }

    #[test]
    fn stores_by_their_schemes() {
        let s3 = open("s3://bucket/a%20b/c/", &[]).unwrap();
        assert_eq!((s3.url().as_str(), s3.prefix.as_str()), ("s3://bucket/a%20b/c", "a b/c"));
        assert_eq!(s3.locate("runs"), "s3://bucket/a%20b/c/runs");
        assert!(s3.multipart.is_some());
        open("gs://bucket", &[]).unwrap();
        open("az://container/x", &[("AZURE_STORAGE_ACCOUNT_NAME", "acme")]).unwrap();
    }

    #[test]
    fn bad_settings_are_told_without_secrets() {
        let error = open("s3://bucket", &[("AWS_SECRET_ACCESS_KEY", "hush")]).unwrap_err();
        assert!(matches!(error, StoreError::BadSettings { .. }), "{error}");
        assert!(!format!("{error}{error:?}").contains("hush"));
        let error = open("az://container", &[]).unwrap_err();
        assert!(error.to_string().contains("az://container"), "{error}");
    }
}
