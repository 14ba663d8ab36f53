//! An S3 server in this process, on a folder whose subfolders are the buckets. The conformance suite, which is within the
//! crate, includes this file as well.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::runtime;

/// The access key that the server knows, and its secret.
pub(crate) const KEYS: (&str, &str) = ("access", "hush");

/// Who is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    S3,
    /// Google's XML API, which is S3's but for who asks and the names of these headers
    /// (<https://cloud.google.com/storage/docs/migrating>): no Google server, but what speaks to one is tried.
    Google,
}

/// What Google calls what S3 calls otherwise.
const GOOGLE_HEADERS: [(&str, &str); 2] =
    [("x-goog-copy-source", "x-amz-copy-source"), ("x-goog-if-generation-match", "if-none-match")];

/// Starts a server, which counts each request that it gets. Its thread lives as long as the tests.
pub(crate) fn serve(folder: &Path, dialect: Dialect, requests: Arc<AtomicUsize>) -> SocketAddr {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).unwrap());
    if dialect == Dialect::S3 {
        builder.set_auth(SimpleAuth::from_single(KEYS.0, KEYS.1));
    }
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((connection, _)) = listener.accept().await {
                let (service, requests) = (service.clone(), Arc::clone(&requests));
                let translated = service_fn(move |mut request: Request<Incoming>| {
                    requests.fetch_add(1, Ordering::Relaxed);
                    if dialect == Dialect::Google {
                        translate(request.headers_mut());
                    }
                    Service::call(&service, request)
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), translated));
            }
        });
    });
    address
}

/// From Google's headers to those of S3. Generation 0 is what isn't there.
fn translate(headers: &mut HeaderMap) {
    headers.remove(AUTHORIZATION);
    for (google, s3) in GOOGLE_HEADERS {
        if let Some(value) = headers.remove(google) {
            let value = if value == "0" { HeaderValue::from_static("*") } else { value };
            headers.insert(HeaderName::from_static(s3), value);
        }
    }
}
