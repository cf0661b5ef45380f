//! A server that is made of the document, for tests of SDKs: it holds every request against the document, and passes it on
//! to a real server, answers what `tests/e2e/calls.json` says, or is in a trouble of its own.

mod newer;

use crate::document::{Operation, Sent};
use crate::raw::{Answer, Http};
use futures_util::stream;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What each operation is called with, and what it answers.
pub static CALLS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../e2e/calls.json")).unwrap());

/// What one of its addresses does with a request that is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Passes it on, and holds the answer against the document, too.
    Real,
    /// Answers every field that there is.
    Full,
    /// Takes the document's examples, and answers them.
    Examples,
    /// Answers as a later version might: with fields and values of enums that the document does not know.
    Newer,
    /// Refuses the first of each operation and token with this status, to be repeated at once.
    Once(u16),
    /// Refuses all.
    Always(u16),
    /// Never answers.
    Silent,
    /// Answers without an end.
    Endless,
    /// Has a certificate that nobody has signed; whoever is told to trust it gets a whole answer, where it is of this address
    /// and of this time.
    Untrusted(Proof),
    /// Gives tokens that are to be renewed after a second, and takes none but the last of them, or one that was on its way.
    Renewing,
}

/// What is wrong with a certificate, besides that nobody has signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Good,
    /// Of another name.
    Misnamed,
    /// Of a time that is over.
    Expired,
}

const ROLES: [(&str, Role); 15] = [
    ("real", Role::Real),
    ("full", Role::Full),
    ("examples", Role::Examples),
    ("newer", Role::Newer),
    ("limited_once", Role::Once(429)),
    ("unavailable_once", Role::Once(503)),
    ("limited", Role::Always(429)),
    ("unpaid", Role::Always(402)),
    ("failing", Role::Always(500)),
    ("silent", Role::Silent),
    ("endless", Role::Endless),
    ("untrusted", Role::Untrusted(Proof::Good)),
    ("misnamed", Role::Untrusted(Proof::Misnamed)),
    ("expired", Role::Untrusted(Proof::Expired)),
    ("renewing", Role::Renewing),
];

/// How long a token lives where tokens are renewed, in seconds: so short a life is used up to its half.
const TOKEN_SECONDS: u64 = 2;
/// How long a request may take to arrive.
const ON_ITS_WAY: Duration = Duration::from_millis(300);
/// How long an answer takes where tokens are renewed: calls are in flight then.
const FLIGHT: Duration = Duration::from_millis(200);
/// Retry-After of who refuses for ever, in seconds.
const RETRY_AFTER: &str = "7";

/// The running server; it ends with the process.
pub struct Mirror {
    urls: BTreeMap<&'static str, String>,
    /// Of the untrusted addresses, in PEM.
    certificates: String,
    state: Arc<State>,
}

struct State {
    real: Option<Http>,
    findings: Mutex<Vec<String>>,
    seen: Mutex<BTreeSet<String>>,
    refused: Mutex<HashSet<(u16, String, String)>>,
    /// How many tokens were given for each key, and when the last was.
    tokens: Mutex<HashMap<String, (u64, Instant)>>,
}

impl Mirror {
    /// Listens on free ports of the loopback address. `real` is the server behind the address of that name.
    pub async fn start(real: Option<&str>) -> Self {
        let state = Arc::new(State {
            real: real.map(Http::new),
            findings: Mutex::default(),
            seen: Mutex::default(),
            refused: Mutex::default(),
            tokens: Mutex::default(),
        });
        let mut urls = BTreeMap::new();
        let mut certificates = String::new();
        for (name, role) in ROLES {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let tls = match role {
                Role::Untrusted(proof) => {
                    let (pem, acceptor) = self_signed(proof);
                    certificates += &pem;
                    Some(acceptor)
                }
                _ => None,
            };
            let scheme = if tls.is_some() { "https" } else { "http" };
            urls.insert(name, format!("{scheme}://{}", listener.local_addr().unwrap()));
            tokio::spawn(listen(listener, tls, role, Arc::clone(&state)));
        }
        // Nobody listens there.
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
        urls.insert("dead", format!("http://{}", dead.local_addr().unwrap()));
        urls.insert("crowded", format!("http://{}", crowded().await));
        Self { urls, certificates, state }
    }

    /// What its untrusted addresses prove themselves with, in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificates
    }

    /// Its addresses by the names of what they do.
    pub fn urls(&self) -> &BTreeMap<&'static str, String> {
        &self.urls
    }

    /// What a client makes of an operation's answer at one of the addresses; `None` where it has none.
    pub fn expected(&self, name: &str, operation: &str) -> Option<Value> {
        let (_, role) = ROLES.into_iter().find(|(known, _)| *known == name)?;
        expected(operation, role)
    }

    /// What an operation is to be called with at one of the addresses.
    pub fn given(&self, name: &str, operation: &str) -> Option<Value> {
        let (_, role) = ROLES.into_iter().find(|(known, _)| *known == name)?;
        given(operation, role)
    }

    /// What was wrong with requests, and with answers of the real server.
    pub fn findings(&self) -> Vec<String> {
        self.state.findings.lock().unwrap().clone()
    }

    /// The operations that nobody has asked for.
    pub fn unseen(&self) -> Vec<String> {
        let seen = self.state.seen.lock().unwrap();
        let all = CALLS.as_object().unwrap().keys();
        all.filter(|id| !seen.contains(*id)).cloned().collect()
    }
}

/// An address where so many wait already that a new one is not even told no.
async fn crowded() -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        waiting.push(stream.unwrap());
    }
    // They stay, as the addresses do, until the process ends.
    tokio::spawn(async move {
        let _held = (listener, waiting);
        std::future::pending::<()>().await;
    });
    address
}

async fn listen(listener: TcpListener, tls: Option<TlsAcceptor>, role: Role, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (state, tls) = (Arc::clone(&state), tls.clone());
        // A client may hang up whenever it likes.
        tokio::spawn(async move {
            match tls {
                None => serve(stream, role, state).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, role, state).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, role: Role, state: Arc<State>) {
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move {
            let sent = sent(request).await?;
            let endless = || Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(&[b' '; 64 * 1024])));
            Ok::<_, hyper::Error>(match role {
                Role::Endless => Response::new(Either::Left(StreamBody::new(stream::repeat_with(endless)))),
                _ => response(state.answer(role, sent).await).map(Either::Right),
            })
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// A certificate in PEM, and who proves himself with it.
fn self_signed(proof: Proof) -> (String, TlsAcceptor) {
    let name = if proof == Proof::Misnamed { "vault.example.com" } else { "127.0.0.1" };
    let mut parameters = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    if proof == Proof::Expired {
        parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let pem = certificate.pem();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.into()], key.into()).unwrap();
    (pem, Arc::new(config).into())
}

async fn sent(request: Request<Incoming>) -> Result<Sent, hyper::Error> {
    let (head, body) = request.into_parts();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(Sent {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.collect().await?.to_bytes().to_vec(),
    })
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.text)));
    *response.status_mut() = answer.status.try_into().unwrap();
    for (name, value) in &answer.headers {
        if !["content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}

fn made(status: u16, type_: &'static str, text: String) -> Answer {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("x-request-id", "of-the-mirror".parse().unwrap());
    if !text.is_empty() {
        headers.insert("content-type", type_.parse().unwrap());
    }
    Answer { status, headers, text }
}

fn problem(status: u16) -> Answer {
    let body = json!({
        "type": "refused_by_a_test", "title": "Refused", "status": status, "detail": "by a test", "fields": {"name": "is not so"},
    });
    made(status, "application/problem+json", body.to_string())
}

/// What an operation answers at an address, and what a client makes of it.
fn answers(operation: &Operation, role: Role) -> Option<(Value, Value)> {
    let schema = operation.answer_schema(*operation.success().first()?);
    let full = &CALLS[&operation.id]["answer"];
    match (role, schema) {
        (Role::Examples, _) => {
            let example = operation.answer_example(*operation.success().first()?)?;
            Some((example.clone(), example.clone()))
        }
        (Role::Newer, Some(schema)) => Some((newer::answer(full, schema, true), newer::answer(full, schema, false))),
        _ => Some((full.clone(), full.clone())),
    }
}

fn operation(id: &str) -> Option<Operation> {
    crate::document::operations().into_iter().find(|operation| operation.id == id)
}

fn expected(id: &str, role: Role) -> Option<Value> {
    answers(&operation(id)?, role).map(|(_, expected)| expected)
}

/// Every argument, or those of the document's example.
fn given(id: &str, role: Role) -> Option<Value> {
    let mut given = CALLS.get(id)?["with"].clone();
    let operation = operation(id)?;
    if let (Role::Examples, Some(Value::Object(example)), Some(schema)) =
        (role, operation.example(), operation.request_schema())
    {
        let given = given.as_object_mut()?;
        given.retain(|name, _| schema["properties"].get(name).is_none());
        given.extend(example);
    }
    Some(given)
}

impl State {
    fn find(&self, what: &str, request: &Sent, faults: Vec<String>) {
        let of = |fault| format!("{what}: {} {}: {fault}", request.method, request.target);
        self.findings.lock().unwrap().extend(faults.into_iter().map(of));
    }

    async fn answer(&self, role: Role, request: Sent) -> Answer {
        // For the tests themselves.
        let asked = match request.target.trim_start_matches('/').split_once('/') {
            Some(("expected", id)) => Some(expected(id, role)),
            Some(("given", id)) => Some(given(id, role)),
            _ => None,
        };
        if let Some(asked) = asked {
            return asked.map_or_else(|| problem(404), |value| made(200, "application/json", value.to_string()));
        }
        let Some(operation) = request.operation() else {
            self.find("request", &request, vec!["there is no such operation".to_owned()]);
            return problem(404);
        };
        self.seen.lock().unwrap().insert(operation.id.clone());
        self.find("request", &request, operation.faults(&request));
        if let (Role::Full | Role::Examples | Role::Newer, Some(given)) = (role, given(&operation.id, role)) {
            self.find("request", &request, operation.differences(&given, &request));
        }
        let bearer = request.header("authorization").unwrap_or_default();
        // A real server refuses who has none, and scenarios try.
        if role != Role::Real && operation.caller != "public" && !bearer.starts_with("Bearer ") {
            self.find("request", &request, vec!["no bearer".to_owned()]);
        }
        if operation.caller == "public" && !bearer.is_empty() {
            self.find("request", &request, vec!["a bearer, to a public operation".to_owned()]);
        }
        match role {
            Role::Real => self.pass(operation, &request).await,
            Role::Silent => std::future::pending().await,
            Role::Always(status) => {
                let mut answer = problem(status);
                answer.headers.insert("retry-after", RETRY_AFTER.parse().unwrap());
                answer
            }
            Role::Once(status)
                if self.refused.lock().unwrap().insert((status, bearer.clone(), operation.id.clone())) =>
            {
                let mut answer = problem(status);
                answer.headers.insert("retry-after", "0".parse().unwrap());
                answer
            }
            Role::Renewing => self.renew(operation, &request).await,
            Role::Full | Role::Examples | Role::Newer | Role::Once(_) | Role::Endless | Role::Untrusted(_) => {
                let Some(status) = operation.success().first().copied() else { return problem(400) };
                match answers(operation, role) {
                    Some((Value::Null, _)) if operation.answer_schema(status).is_none() => {
                        made(status, "", String::new())
                    }
                    Some((Value::Null, _)) => made(status, "application/json", "{}".to_owned()),
                    Some((answer, _)) => made(status, "application/json", answer.to_string()),
                    None => problem(404),
                }
            }
        }
    }

    async fn pass(&self, operation: &Operation, request: &Sent) -> Answer {
        let real = self.real.as_ref().unwrap_or_else(|| panic!("no real server stands behind this one"));
        let answer = real.pass(request).await;
        self.find("answer", request, operation.answer_faults(&answer));
        answer
    }

    async fn renew(&self, operation: &Operation, request: &Sent) -> Answer {
        let mut answer = CALLS[&operation.id]["answer"].clone();
        if operation.id == "auth_agent_token" {
            tokio::time::sleep(FLIGHT).await;
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let key = body["api_key"].as_str().unwrap_or_default();
            let mut tokens = self.tokens.lock().unwrap();
            let number = tokens.get(key).map_or(1, |(last, _)| last + 1);
            tokens.insert(key.to_owned(), (number, Instant::now()));
            answer["access_token"] = json!(format!("{number}-of-{key}"));
            answer["expires_in"] = json!(TOKEN_SECONDS);
        } else {
            // As it comes: it may be renewed while this call is in flight.
            let bearer = request.header("authorization").unwrap_or_default();
            let (number, key) = bearer.trim_start_matches("Bearer ").split_once("-of-").unwrap_or_default();
            let known = self.tokens.lock().unwrap().get(key).copied();
            let (last, renewed) = known.unwrap_or((0, Instant::now()));
            // One that was on its way while another call renewed it is no mistake.
            let is_on_its_way = renewed.elapsed() < ON_ITS_WAY && number.parse() == Ok(last.saturating_sub(1));
            if number != last.to_string() && !is_on_its_way {
                self.find("request", request, vec!["a token that was renewed".to_owned()]);
                return problem(401);
            }
            answer["version"] = json!(last);
            tokio::time::sleep(FLIGHT).await;
        }
        made(200, "application/json", answer.to_string())
    }
}
