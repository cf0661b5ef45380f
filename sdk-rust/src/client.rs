//! Building a client.

use crate::auth::Credential;
use crate::error::{Error, Result};
use crate::generated::Client as Generated;
use crate::transport::{self, Transport};
use keepward_api::SecretText;
use progenitor_client::{Error as Raw, ResponseValue};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// A client of one server, as one principal. Clones are cheap and share connections and tokens.
#[derive(Clone, Debug)]
pub struct Client {
    generated: Generated,
}

/// Collects what a [`Client`] needs.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    base_url: Option<String>,
    credentials: Vec<Credential>,
    timeout: Duration,
    connect_timeout: Duration,
    max_retries: u32,
    max_idle_connections: usize,
    root_certificates: Vec<Vec<u8>>,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            base_url: None,
            credentials: Vec::new(),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            max_retries: 3,
            max_idle_connections: usize::MAX,
            root_certificates: Vec::new(),
        }
    }
}

impl ClientBuilder {
    /// Where the server is, such as `https://vault.example.com`; a path below it is kept. A proxy that the environment names is
    /// used for https only.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Acts as the agent of this key (`ocv_...`).
    pub fn agent_key(mut self, key: impl Into<SecretText>) -> Self {
        self.credentials.push(Credential::AgentKey(key.into()));
        self
    }

    /// Acts as the human of this personal key (`1ck_...`).
    pub fn user_key(mut self, key: impl Into<SecretText>) -> Self {
        self.credentials.push(Credential::UserKey(key.into()));
        self
    }

    /// Acts as the human of this mail address and password.
    pub fn password(mut self, email: impl Into<String>, password: impl Into<SecretText>) -> Self {
        self.credentials.push(Credential::Password { email: email.into(), password: password.into() });
        self
    }

    /// Acts as whoever this access token is for; it is not renewed.
    pub fn token(mut self, token: impl Into<SecretText>) -> Self {
        self.credentials.push(Credential::Token(token.into()));
        self
    }

    /// The longest that one try of a call may take; 30 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The longest that connecting may take; 5 seconds by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How often a call that is safe to repeat is repeated; 3 by default.
    pub fn max_retries(mut self, count: u32) -> Self {
        self.max_retries = count;
        self
    }

    /// How many connections are kept for later calls; without a limit by default. With 0 each call makes its own, so that a
    /// balancer before several servers spreads calls, not connections.
    pub fn max_idle_connections(mut self, count: usize) -> Self {
        self.max_idle_connections = count;
        self
    }

    /// Trusts a certificate authority (PEM) besides those of the platform.
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(pem.into());
        self
    }

    /// Checks what was given and builds the client; connects to nothing.
    ///
    /// # Errors
    /// [`Error::Configuration`]: no base URL, one that is not http or https or that holds credentials, more than one
    /// credential, a certificate that can't be read.
    pub fn build(self) -> Result<Client> {
        let wrong = |text: &str| Error::Configuration(text.to_owned());
        let base_url = self.base_url.ok_or_else(|| wrong("no base URL: give `base_url`, or set KEEPWARD_URL"))?;
        let url = reqwest::Url::parse(&base_url)
            .map_err(|_| wrong("the base URL is no URL such as https://vault.example.com"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(wrong("the base URL begins with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("the base URL holds no credentials, query or fragment"));
        }
        let mut credentials = self.credentials.into_iter();
        let credential = credentials.next();
        if credentials.next().is_some() {
            return Err(wrong("more than one credential: give one of agent key, user key, password and token"));
        }
        let mut http = reqwest::Client::builder();
        let is_plain = url.scheme() == "http";
        if is_plain {
            // Only TLS keeps a key from the proxy that the environment names.
            http = http.no_proxy();
        }
        let http = http
            .tls_backend_preconfigured(tls(&self.root_certificates, is_plain)?)
            .timeout(self.timeout)
            .connect_timeout(self.connect_timeout)
            .pool_max_idle_per_host(self.max_idle_connections)
            // Before the server closes them, after 30 s.
            .pool_idle_timeout(Duration::from_secs(20))
            // Elsewhere a redirect would carry the token.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("keepward-rust/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Configuration(format!("the HTTP client can't be set up: {error}")))?;
        let transport = Transport { credential, max_retries: self.max_retries, ..Transport::default() };
        // As it was understood, not as it was written.
        let generated = Generated::new_with_client(url.as_str().trim_end_matches('/'), http, Arc::new(transport));
        Ok(Client { generated })
    }
}

/// TLS by rustls with a provider of its own, so that nobody's global choice is needed or changed. Where none is to be spoken
/// nobody is trusted: a machine without certificate authorities has use for such a client, too.
fn tls(roots: &[Vec<u8>], is_plain: bool) -> Result<rustls::ClientConfig> {
    use rustls_platform_verifier::Verifier;
    let wrong = |error: &dyn std::fmt::Display| Error::Configuration(format!("TLS can't be set up: {error}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut extra = Vec::new();
    for pem in roots {
        use rustls::pki_types::pem::PemObject;
        let certificates = rustls::pki_types::CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        // The reader's own words repeat what it read.
        let unread = Error::Configuration("a root certificate is not PEM".to_owned());
        match certificates {
            Ok(certificates) if !certificates.is_empty() => extra.extend(certificates),
            _ => return Err(unread),
        }
    }
    let tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let tls = tls.map_err(|error| wrong(&error))?;
    if is_plain {
        return Ok(tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth());
    }
    let verifier = Verifier::new_with_extra_roots(extra, provider).map_err(|error| wrong(&error))?;
    Ok(tls.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

impl Client {
    /// Begins a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A client of the server that `KEEPWARD_URL` names, as the agent of `KEEPWARD_AGENT_KEY`.
    ///
    /// # Errors
    /// [`Error::Configuration`] where one of them is not set, and as [`ClientBuilder::build`].
    pub fn from_env() -> Result<Self> {
        let read = |name: &str| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty());
            value.ok_or_else(|| Error::Configuration(format!("{name} is not set")))
        };
        Self::builder().base_url(read("KEEPWARD_URL")?).agent_key(read("KEEPWARD_AGENT_KEY")?).build()
    }

    /// The generated client: every operation of the document, also those without a method here.
    pub fn api(&self) -> &Generated {
        &self.generated
    }

    /// Sends a call of the generated client and answers its body, or this crate's error.
    pub async fn send<T>(&self, call: impl Future<Output = Result<ResponseValue<T>, Raw<()>>>) -> Result<T> {
        transport::send(call).await
    }
}
