//! The stores that the table is tried on.

use std::time::Duration;

use epitaph_testkit::servers::{Served, web};
use url::Url;

use super::{Expected, Lacks, conforms};
use crate::backend::{Backend, Dav, Folder, Objects};
use crate::location::Location;
use crate::{CloudSettings, Network, StoreOptions};

/// How many keys are listed: more than a store lists in one answer, and with `EPITAPH_TEST_ALL` many more.
fn many() -> usize {
    if std::env::var_os("EPITAPH_TEST_ALL").is_some() { 10_000 } else { 1_200 }
}

/// What no server without WebDAV does.
const PLAIN: Lacks = &[
    ("one winner", Expected::ByChance, "nginx ignores `If-None-Match: *`"),
    ("list", Expected::Fails, "it can't list"),
    ("many", Expected::Fails, "it can't list"),
    ("delete", Expected::Fails, "its settings allow only PUT"),
];

/// What WebDAV leaves to chance.
const WEBDAV: Lacks = &[("one winner", Expected::ByChance, "servers look before they move, and don't lock")];

fn options() -> StoreOptions {
    let network = Network { first_wait: Duration::from_millis(20), attempts: 4, ..Network::default() };
    let cloud = CloudSettings::from_variables(std::env::vars());
    StoreOptions { network, cloud, ..StoreOptions::default() }
}

fn dav(served: &Served) -> Dav {
    let url = format!("{}/some/where", served.url());
    Dav::new(Url::parse(&url).unwrap(), &options()).unwrap()
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
            Location::Objects(url) => Box::new(Objects::open(&url, &options()).unwrap()),
            Location::Http(url) => Box::new(Dav::new(url, &options()).unwrap()),
            Location::CircleCi(_) | Location::Github(_) | Location::Gitlab(_) => {
                panic!("{url} can only be read")
            }
        };
        conforms(url, backend.as_ref(), &[], many()).await;
    }
}
