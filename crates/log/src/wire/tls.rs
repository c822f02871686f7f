//! TLS on the listener, from a certificate chain and a key in PEM files.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read \"{path}\": {reason}")]
    File { path: String, reason: String },
    #[error("the certificate and the key do not make a TLS server: {0}")]
    Config(#[from] rustls::Error),
}

/// The certificate chain, the server's own first, and its private key (PKCS #8, PKCS #1 or SEC 1).
pub fn acceptor(certificates: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |reason: rustls::pki_types::pem::Error| TlsError::File { path, reason: reason.to_string() }
    };
    let chain = CertificateDer::pem_file_iter(certificates).map_err(failed(certificates))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(failed(certificates))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(failed(key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_no_client_auth().with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
