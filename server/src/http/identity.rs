//! The server's certificate and key, read again when their files change.

use crate::config::Tls;
use crate::error::{Error, Result};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What new connections are given. Connections that are there keep what they were given.
pub struct Identity {
    files: Tls,
    current: RwLock<Arc<CertifiedKey>>,
    /// What the files were when they were read last.
    read: Mutex<Option<[State; 2]>>,
}

/// What tells a file from another one at its place: inode, time of change in nanoseconds, size. A link is followed, since
/// Kubernetes replaces the target of one.
type State = (u64, i64, i64, u64);

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Identity {
    /// Reads the files; fails if the key is not the certificate's.
    pub(super) fn load(files: &Tls) -> Result<Self> {
        let read = states(files);
        Ok(Self { files: files.clone(), current: RwLock::new(pair(files)?.into()), read: Mutex::new(read) })
    }

    /// The TLS side of a listener, with its provider named.
    pub(super) fn server_config(self: &Arc<Self>) -> Result<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let resolver = Arc::clone(self);
        let mut config = builder.map_err(Error::internal)?.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Reads the files again if they have changed, or anyway. A pair that can't be used is logged, and the old one stays.
    pub fn reload(&self, anyway: bool) {
        let now = states(&self.files);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if !anyway && (now.is_none() || *read == now) {
            return;
        }
        // Once for each change, also of a bad pair: the log would say it every minute.
        *read = now;
        match pair(&self.files) {
            Ok(pair) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
                tracing::info!("the TLS certificate and key were read again");
            }
            Err(error) => {
                let error = crate::store::error_chain(&error);
                tracing::error!(error, "the new TLS certificate and key can't be used: the old ones stay");
            }
        }
    }
}

fn states(files: &Tls) -> Option<[State; 2]> {
    let state = |file: &Path| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.size()))
    };
    Some([state(&files.certificate)?, state(&files.key)?])
}

fn pair(files: &Tls) -> Result<CertifiedKey> {
    let explain = |file: &Path, what: String| Error::internal(format!("the TLS file {}: {what}", file.display()));
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| explain(&files.certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(explain(&files.certificate, "it holds no certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| explain(&files.key, error.to_string()))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|error| explain(&files.certificate, error.to_string()))
}
