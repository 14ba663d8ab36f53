//! Whom to trust: the certificate authorities that Mozilla does, or those of a file. Nothing of the system is used,
//! so that a static binary in an empty container can still pull.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::StoreError;

/// The TLS set-up of a client.
pub(super) fn config(ca_file: Option<&Path>) -> Result<ClientConfig, StoreError> {
    let roots = match ca_file {
        Some(path) => roots_of(path)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| StoreError::Tls {
        why: "no protocol version is usable".to_owned(),
        source: Some(Box::new(error)),
    })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn roots_of(path: &Path) -> Result<RootCertStore, StoreError> {
    let bad = |source| StoreError::Tls {
        why: format!("can't read certificates from {}", path.display()),
        source: Some(Box::new(source)),
    };
    let mut roots = RootCertStore::empty();
    let certificates: Vec<CertificateDer> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(bad)?;
    // A bundle may hold a few that rustls doesn't take.
    let (taken, _ignored) = roots.add_parsable_certificates(certificates);
    if taken == 0 {
        let why = format!("{} holds no usable certificate", path.display());
        return Err(StoreError::Tls { why, source: None });
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_built_in_or_in_a_file() {
        assert!(config(None).is_ok());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        assert!(config(Some(&path)).unwrap_err().to_string().contains("can't read certificates"));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(config(Some(&path)).unwrap_err().to_string().contains("no usable certificate"));
    }
}
