//! The stores that the table is tried on.

use std::sync::Arc;
use std::time::Duration;

use epitaph_testkit::servers::objects::{self, Bucket};
use epitaph_testkit::servers::{Served, web};
use url::Url;

use super::in_process::{self, Dialect};
use super::{Expected, Lacks, conforms};
use crate::backend::{Backend, Dav, Folder, Objects};
use crate::location::Location;
use crate::{CloudSettings, Network, StoreOptions};

/// Whether the long tests were asked for.
fn test_all() -> bool {
    std::env::var_os("EPITAPH_TEST_ALL").is_some_and(|value| !value.is_empty() && value != "0")
}

/// How many keys are listed: more than a store lists in one answer, and with `EPITAPH_TEST_ALL` many more.
fn many() -> usize {
    if test_all() { 10_000 } else { 1_200 }
}

/// What no server without WebDAV does.
const PLAIN: Lacks = &[
    ("one winner", Expected::ByChance, "nginx ignores `If-None-Match: *`"),
    ("list", Expected::Fails, "it can't list"),
    ("many", Expected::Fails, "it can't list"),
    ("delete", Expected::Fails, "its settings allow only PUT"),
];

/// The server in this process keeps a key as a file of that name, and looks before it writes.
const S3S_FS: Lacks = &[
    ("absent", Expected::ByChance, "it fails where a folder has that name"),
    ("one winner", Expected::ByChance, "it looks before it writes, and doesn't lock"),
];

/// What WebDAV leaves to chance.
const WEBDAV: Lacks = &[("one winner", Expected::ByChance, "servers look before they move, and don't lock")];

fn options(variables: impl IntoIterator<Item = (String, String)>) -> StoreOptions {
    let network = Network { first_wait: Duration::from_millis(20), attempts: 4, ..Network::default() };
    StoreOptions { network, cloud: CloudSettings::from_variables(variables), ..StoreOptions::default() }
}

fn dav(served: &Served) -> Dav {
    let url = format!("{}/some/where", served.url());
    Dav::new(Url::parse(&url).unwrap(), &options([])).unwrap()
}

/// Tries a bucket with what the environment of a program says that uses it.
async fn bucket_conforms(
    name: &str,
    url: &str,
    variables: impl IntoIterator<Item = (String, String)>,
    lacks: Lacks,
    many: usize,
) {
    let url = Url::parse(&format!("{url}/some/where")).unwrap();
    conforms(name, &Objects::open(&url, &options(variables)).unwrap(), lacks, many).await;
}

/// Tries a server that starts slowly, or that only `make test-all` installs. `many` is more than it lists in one answer.
async fn other_conforms(name: &str, start: impl FnOnce() -> Option<Bucket>, many: usize) {
    if test_all()
        && let Some(bucket) = start()
    {
        bucket_conforms(name, &bucket.url, bucket.variables.clone(), &[], many).await;
    }
}

/// Tries a server in this process; `variables` are made of its address.
async fn own_conforms(name: &str, dialect: Dialect, variables: fn(String) -> Vec<(&'static str, String)>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("crashes")).unwrap();
    let endpoint = format!("http://{}", in_process::serve(dir.path(), dialect, Arc::default()));
    let variables = variables(endpoint).into_iter().map(|(name, value)| (name.to_owned(), value));
    let scheme = if dialect == Dialect::S3 { "s3" } else { "gs" };
    bucket_conforms(name, &format!("{scheme}://crashes"), variables, S3S_FS, many()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_server_in_this_process() {
    let variables = |endpoint| {
        let (access, secret) = in_process::KEYS;
        vec![
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", access.into()),
            ("AWS_SECRET_ACCESS_KEY", secret.into()),
        ]
    };
    own_conforms("s3s-fs", Dialect::S3, variables).await;
}

/// There is no server of Google's XML API to be had: this is the S3 server, spoken to as Google is.
#[tokio::test(flavor = "multi_thread")]
async fn a_stand_in_for_google() {
    let variables = |endpoint| {
        vec![
            ("GOOGLE_BASE_URL", endpoint),
            ("GOOGLE_ALLOW_HTTP", "true".into()),
            ("GOOGLE_BEARER_TOKEN", "a token".into()),
        ]
    };
    own_conforms("s3s-fs, by Google's headers", Dialect::Google, variables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moto() {
    other_conforms("moto", objects::moto, 1_200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azurite() {
    other_conforms("Azurite", objects::azurite, 5_200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn radosgw() {
    other_conforms("radosgw", objects::radosgw, 1_200).await;
}

#[tokio::test]
async fn a_folder() {
    let dir = tempfile::tempdir().unwrap();
    conforms("folder", &Folder::new(dir.path().join("store")), &[], many()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_with_dav() {
    let Some(served) = web::nginx_dav() else { return };
    conforms("nginx, dav-ext", &dav(&served), WEBDAV, many()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_with_put_alone() {
    let Some(served) = web::nginx_plain(None) else { return };
    conforms("nginx, PUT alone", &dav(&served), PLAIN, many()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn apache() {
    let Some(served) = web::apache() else { return };
    conforms("Apache mod_dav", &dav(&served), WEBDAV, many()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rclone() {
    let Some(served) = web::rclone() else { return };
    conforms("rclone serve webdav", &dav(&served), WEBDAV, many()).await;
}

/// Those of whoever runs the tests: object stores find their keys in the environment, as they do in `epitaph push`.
#[tokio::test(flavor = "multi_thread")]
async fn stores_of_the_environment() {
    let urls = std::env::var("EPITAPH_TEST_STORES").unwrap_or_default();
    for url in urls.split_whitespace() {
        let backend: Box<dyn Backend> = match Location::parse(url, None).unwrap() {
            Location::Folder(path) => Box::new(Folder::new(path)),
            Location::Objects(url) => Box::new(Objects::open(&url, &options(std::env::vars())).unwrap()),
            Location::Http(url) => Box::new(Dav::new(url, &options(std::env::vars())).unwrap()),
            Location::CircleCi(_) | Location::Github(_) | Location::Gitlab(_) => {
                panic!("{url} can only be read")
            }
        };
        conforms(url, backend.as_ref(), &[], many()).await;
    }
}
