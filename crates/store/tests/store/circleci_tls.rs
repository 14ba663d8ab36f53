//! CircleCI over TLS: whom to trust, and that distrust is final.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use epitaph_store::{Selection, Store, StoreError, StoreOptions};
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::Log;
use crate::support::circle::{self, store};

fn certificate() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap()
}

/// A server that answers each request with an empty list, and its URL.
fn serve(certificate: &CertifiedKey<KeyPair>) -> String {
    let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut stream =
                StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket.unwrap());
            // Fails where the client doesn't trust the certificate.
            if stream.read(&mut [0; 4096]).is_ok() {
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{\"items\":[]}",
                );
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    format!("https://{address}")
}

fn ls(url: &str, ca_file: Option<&Path>) -> Result<usize, StoreError> {
    let options = StoreOptions { ca_file: ca_file.map(Path::to_owned), ..circle::options(url) };
    Ok(Store::open_with(circle::JOB, &options)?.ls(&Selection::default())?.runs.len())
}

#[test]
fn an_authority_of_one_s_own_is_trusted_only_when_named() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (certificate(), certificate());
    let pem = |name: &str, certificate: &CertifiedKey<KeyPair>| {
        let path = dir.path().join(name);
        std::fs::write(&path, certificate.cert.pem()).unwrap();
        path
    };
    let (ours_file, other_file) = (pem("ours.pem", &ours), pem("other.pem", &other));
    let url = serve(&ours);
    assert_eq!(ls(&url, Some(&ours_file)).unwrap(), 1);
    for ca_file in [None, Some(other_file.as_path())] {
        let error = ls(&url, ca_file).unwrap_err();
        assert!(matches!(error, StoreError::Network { .. }), "{error:?}");
    }
    let absent = dir.path().join("absent.pem");
    assert!(matches!(ls(&url, Some(&absent)), Err(StoreError::Tls { .. })));
}

#[test]
fn a_certificate_that_nobody_signed_is_not_asked_for_twice() {
    let url = serve(&certificate());
    let (log, dir) = (Log::default(), tempfile::tempdir().unwrap());
    store(&url).pull(dir.path(), &Selection::default(), &log).unwrap_err();
    assert_eq!(log.count("retrying"), 0, "{:?}", log.lines());
}

#[test]
fn a_server_that_speaks_no_tls_is_not_asked_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // The client's first words are read, so that closing the connection doesn't take back the answer.
        let _ = stream.read(&mut [0; 4096]);
    });
    let log = Log::default();
    let dir = tempfile::tempdir().unwrap();
    let store = store(&format!("https://{address}"));
    let error = store.pull(dir.path(), &Selection::default(), &log).unwrap_err();
    assert!(matches!(error, StoreError::Network { .. }), "{error:?}");
    assert_eq!(log.count("retrying"), 0, "{:?}", log.lines());
    server.join().unwrap();
}
