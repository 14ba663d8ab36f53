//! An S3 server in this process, on a folder.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::runtime;

use crate::support::folder;

/// The only bucket.
const BUCKET: &str = "crashes";

/// A running server. Its thread lives as long as the tests.
pub(super) struct S3 {
    folder: TempDir,
    pub(super) address: SocketAddr,
}

impl S3 {
    pub(super) fn start() -> S3 {
        let folder = folder();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single("access", "hush"));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        thread::spawn(move || {
            let runtime =
                runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((connection, _)) = listener.accept().await {
                    let serving =
                        http1::Builder::new().serve_connection(TokioIo::new(connection), service.clone());
                    tokio::spawn(serving);
                }
            });
        });
        S3 { folder, address }
    }

    /// Where the server keeps what is pushed.
    pub(super) fn files(&self) -> PathBuf {
        self.folder.path().join(BUCKET)
    }

    /// The names of what uploads in parts have left, of which a server's owner pays for every byte.
    pub(super) fn unfinished(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).filter(|name| name.starts_with(".upload")).collect()
    }
}
