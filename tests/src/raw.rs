//! HTTP without the SDK, for what the SDK would not send.

use crate::document::Sent;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An HTTP client of one server.
#[derive(Clone)]
pub struct Http {
    pub url: String,
    client: reqwest::Client,
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON in {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Whether it is a well-formed problem of this status.
    pub fn is_problem(&self, status: u16) -> bool {
        let json: Value = serde_json::from_str(&self.text).unwrap_or_default();
        self.status == status
            && self.header("content-type") == "application/problem+json"
            && json["status"] == status
            && json["type"].is_string()
            && json["title"].is_string()
            && json["detail"].as_str().is_some_and(|detail| !detail.is_empty())
            && !self.header("x-request-id").is_empty()
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.unwrap(),
    }
}

impl Http {
    pub fn new(url: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).no_proxy();
        let client = if crate::is_pair() { client.pool_max_idle_per_host(0) } else { client };
        let client = client.build().unwrap();
        Self { url: url.to_owned(), client }
    }

    /// Sends a request with an optional bearer and JSON body.
    pub async fn send(&self, method: &str, path: &str, bearer: Option<&str>, body: Option<&Value>) -> Answer {
        let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
        self.send_raw(method, path, bearer, body).await
    }

    /// Sends a request as a trusted proxy would: for a client with this address.
    pub async fn send_from(&self, address: &str, method: &str, path: &str, body: &Value) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.client.request(method, format!("{}{path}", self.url));
        answer(request.header("x-forwarded-for", address).json(body)).await
    }

    /// Passes on what somebody else sent.
    pub(crate) async fn pass(&self, sent: &Sent) -> Answer {
        let method = reqwest::Method::from_bytes(sent.method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{}", self.url, sent.target)).body(sent.body.clone());
        for (name, value) in
            sent.headers.iter().filter(|(name, _)| !["host", "content-length"].contains(&name.as_str()))
        {
            request = request.header(name, value);
        }
        answer(request).await
    }

    /// Sends a request with a body of any kind.
    pub async fn send_raw(
        &self,
        method: &str,
        path: &str,
        bearer: Option<&str>,
        body: Option<(&str, Vec<u8>)>,
    ) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        if let Some((kind, body)) = body {
            if !kind.is_empty() {
                request = request.header("content-type", kind);
            }
            request = request.body(body);
        }
        answer(request).await
    }

    pub async fn get(&self, path: &str, bearer: &str) -> Answer {
        self.send("GET", path, Some(bearer), None).await
    }
}

/// A TCP connection, for requests that no HTTP client sends.
pub struct RawConnection(TcpStream);

impl RawConnection {
    pub fn open(url: &str) -> Self {
        let stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(stream)
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub fn close_writing(&mut self) {
        self.0.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Everything until the peer closes, or says that it will and the body is there.
    pub fn read_all(&mut self) -> String {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = self.0.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..length]);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// One request as it stands, its connection closed after the answer; the answer as it came.
impl Http {
    pub fn exchange(&self, head: &str, body: &[u8]) -> String {
        let mut connection = RawConnection::open(&self.url);
        // Who answers before the request has come whole may take no more of it; the answer is what counts.
        let _ = connection.0.write_all(head.as_bytes()).and_then(|()| connection.0.write_all(body));
        connection.read_all()
    }
}
