//! The stores that the table is tried on.

use std::time::Duration;

use epitaph_testkit::servers::{Served, web};
use url::Url;

use super::{Lacks, conforms};
use crate::backend::{Dav, Folder};
use crate::{Network, StoreOptions};

/// Keys for a store where one costs little, and where it costs a request or more.
const CHEAP: usize = 10_000;
const FEW: usize = 1_200;

/// What no server without WebDAV does.
const PLAIN: Lacks = &[
    ("one winner", "nginx ignores `If-None-Match: *`"),
    ("list", "nginx can't list"),
    ("many", "nginx can't list"),
    ("delete", "its settings allow only PUT"),
];

fn options() -> StoreOptions {
    let network = Network { first_wait: Duration::from_millis(20), attempts: 4, ..Network::default() };
    StoreOptions { network, ..StoreOptions::default() }
}

fn dav(served: &Served) -> Dav {
    let url = format!("{}/some/where", served.url());
    Dav::new(Url::parse(&url).unwrap(), &options()).unwrap()
}

#[tokio::test]
async fn a_folder() {
    let dir = tempfile::tempdir().unwrap();
    conforms("folder", &Folder::new(dir.path().join("store")), &[], CHEAP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_with_dav() {
    let Some(served) = web::nginx_dav() else { return };
    conforms("nginx, dav-ext", &dav(&served), &[], FEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_with_put_alone() {
    let Some(served) = web::nginx_plain(None) else { return };
    conforms("nginx, PUT alone", &dav(&served), PLAIN, FEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn apache() {
    let Some(served) = web::apache() else { return };
    conforms("Apache mod_dav", &dav(&served), &[], FEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rclone() {
    let Some(served) = web::rclone() else { return };
    conforms("rclone serve webdav", &dav(&served), &[], FEW).await;
}
