//! Object stores: moto, Azurite, and a Ceph cluster's radosgw, each with an empty bucket.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Served, ceph, program};

/// The name of the bucket, or container, that each has.
const BUCKET: &str = "crashes";

/// The account that Azurite has, with its key: both are public, and the same everywhere
/// (<https://learn.microsoft.com/azure/storage/common/storage-use-azurite>).
const AZURITE: (&str, &str) = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
);

/// The sum of nothing, which S3 wants to be signed as well, and curl signs only where it is told.
const NO_CONTENT: &str =
    "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A running object store with a bucket.
#[derive(Debug)]
pub struct Bucket {
    served: Served,
    /// The bucket's URL, without a slash at the end.
    pub url: String,
    /// What the environment of a program says that uses it.
    pub variables: Vec<(String, String)>,
}

impl Bucket {
    fn new(served: Served, scheme: &str, variables: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables = variables.iter().map(own).collect();
        Self { served, url: format!("{scheme}://{BUCKET}"), variables }
    }

    /// Of the key `access` with the secret `secret`, in which `curl` can sign requests.
    fn s3(served: Served, (access, secret): (&str, &str)) -> Self {
        let endpoint = served.url();
        let mut curl = Command::new("curl");
        curl.args(["-sSf", "-X", "PUT", "--aws-sigv4", "aws:amz:us-east-1:s3", "-H", NO_CONTENT, "--user"]);
        run(curl.arg(format!("{access}:{secret}")).arg(format!("{endpoint}/{BUCKET}")));
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", access),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ];
        Self::new(served, "s3", &variables)
    }

    /// The folder of its server.
    pub fn folder(&self) -> &Path {
        self.served.folder()
    }
}

/// moto, the Python library that imitates AWS, as a server. It keeps everything in memory.
///
/// # Panics
/// When it doesn't start.
pub fn moto() -> Option<Bucket> {
    let (moto, _) = (program("moto_server")?, program("curl")?);
    let served = Served::start(|_, port| {
        let mut command = Command::new(moto);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command
    });
    Some(Bucket::s3(served, ("access", "secret")))
}

/// radosgw, the S3 server of Ceph, on a cluster of one monitor and one memory store. It takes half a minute to start.
///
/// # Panics
/// When it doesn't start.
pub fn radosgw() -> Option<Bucket> {
    program("curl")?;
    Some(Bucket::s3(ceph::radosgw()?, ceph::KEYS))
}

/// Azurite, Microsoft's emulator of Azure's blob storage.
///
/// # Panics
/// When it doesn't start.
pub fn azurite() -> Option<Bucket> {
    let (azurite, node) = (program("azurite-blob")?, program("node")?);
    let served = Served::start(|folder, port| {
        let mut command = Command::new(azurite);
        command.arg("--location").arg(folder).args(["--blobPort", &port.to_string()]);
        command.args(["--silent", "--disableTelemetry", "--skipApiVersionCheck"]);
        command
    });
    let (account, key) = AZURITE;
    let endpoint = format!("{}/{account}", served.url());
    let script = include_str!("azure_container.js");
    run(Command::new(node).args(["-e", script, "--", &endpoint, BUCKET, account, key]));
    let variables = [
        ("AZURE_STORAGE_ENDPOINT", endpoint.as_str()),
        ("AZURE_ALLOW_HTTP", "true"),
        ("AZURE_STORAGE_ACCOUNT_NAME", account),
        ("AZURE_STORAGE_ACCOUNT_KEY", key),
    ];
    Some(Bucket::new(served, "az", &variables))
}

/// Runs a command that must succeed.
pub(super) fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {messages}", output.status);
}
