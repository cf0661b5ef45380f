//! Kept connections, one request at a time on each, as fast as answers come. What this can do at most is seen in the same
//! run against a bare route.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How something is measured.
#[derive(Clone, Copy)]
pub struct Series {
    pub connections: usize,
    pub warm_up: Duration,
    pub measured: Duration,
    /// How often; the middle one counts, and the spread is said.
    pub repeats: usize,
}

impl Series {
    pub const USUAL: Self =
        Self { connections: 32, warm_up: Duration::from_secs(1), measured: Duration::from_secs(4), repeats: 3 };
    /// What is held against something else.
    pub const TURNS: Self = Self { repeats: 5, ..Self::USUAL };
    /// One of many points of a curve.
    pub const POINT: Self = Self {
        connections: 32,
        warm_up: Duration::from_millis(300),
        measured: Duration::from_millis(1500),
        repeats: 3,
    };

    pub fn with(self, connections: usize) -> Self {
        Self { connections, ..self }
    }
}

/// Requests that a server works on at once.
const MOST_IN_WORK: usize = 512;

/// Reads one answer; its status. Answers here have a length or no body.
pub async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    buffer.clear();
    let mut searched = 0;
    loop {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server closed the connection");
        let Some(end) = buffer[searched..].windows(4).position(|window| window == b"\r\n\r\n") else {
            searched = buffer.len().saturating_sub(3);
            continue;
        };
        let end = searched + end;
        let head = std::str::from_utf8(&buffer[..end]).unwrap();
        let (status, length) = (head[9..12].parse().unwrap(), content_length(head));
        while buffer.len() < end + 4 + length {
            assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server closed the connection");
        }
        return status;
    }
}

fn content_length(head: &str) -> usize {
    let length = |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok();
    head.lines().find_map(length).unwrap_or(0)
}

/// One run: microseconds of each request, in order of size.
async fn run(
    url: &str,
    series: Series,
    request: &(impl Fn(usize, u64) -> Vec<u8> + Clone + Send + 'static),
) -> Vec<u32> {
    let address = url.strip_prefix("http://").unwrap().to_owned();
    let start = Instant::now() + series.warm_up;
    let end = start + series.measured;
    let connections = series.connections;
    let tasks: Vec<_> = (0..series.connections)
        .map(|connection| {
            let (address, request) = (address.clone(), request.clone());
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut buffer, mut micros) = (Vec::with_capacity(4096), Vec::new());
                for n in 0.. {
                    let asked = Instant::now();
                    if asked >= end {
                        break;
                    }
                    stream.write_all(&request(connection, n)).await.unwrap();
                    let status = answer(&mut stream, &mut buffer).await;
                    // More than it takes at once are told to come again: they count as nothing.
                    let is_busy = status == 503 && connections > MOST_IN_WORK;
                    assert!(is_busy || (200..300).contains(&status), "{status}: {}", String::from_utf8_lossy(&buffer));
                    if asked >= start && !is_busy {
                        micros.push(u32::try_from(asked.elapsed().as_micros()).unwrap());
                    }
                }
                micros
            })
        })
        .collect();
    let mut micros = Vec::new();
    for task in tasks {
        micros.extend(task.await.unwrap());
    }
    micros.sort_unstable();
    micros
}

fn milliseconds(micros: &[u32], part: f64) -> f64 {
    micros
        .get((micros.len().saturating_sub(1) as f64 * part) as usize)
        .map_or(0.0, |micros| f64::from(*micros) / 1000.0)
}

/// Measures, and answers the middle of its runs.
pub async fn measure(
    name: &str,
    url: &str,
    series: Series,
    request: impl Fn(usize, u64) -> Vec<u8> + Clone + Send + 'static,
) -> Value {
    let mut runs = Vec::new();
    for repeat in 0..series.repeats {
        // No two runs send the same.
        let (request, offset) = (request.clone(), (repeat as u64) << 32);
        runs.push(run(url, series, &(move |connection, n| request(connection, n + offset))).await);
    }
    middle(name, series, runs)
}

/// Measures requests that are always the same beside a bare route, in turns, so that a machine whose speed changes within
/// minutes is the same one for both; the middle of the runs of each.
pub async fn measure_beside(name: &str, url: &str, bare: &str, series: Series, request: &[u8]) -> [Value; 2] {
    let (mut runs, mut bare_runs) = (Vec::new(), Vec::new());
    for _ in 0..series.repeats {
        for (url, request, runs) in [(bare, get("/bare", "x"), &mut bare_runs), (url, request.to_vec(), &mut runs)] {
            runs.push(run(url, series, &(move |_, _| request.clone())).await);
        }
    }
    let mut bare = middle("bare", series, bare_runs);
    bare["on"] = json!("bare");
    [bare, middle(name, series, runs)]
}

fn middle(name: &str, series: Series, mut runs: Vec<Vec<u32>>) -> Value {
    runs.sort_unstable_by_key(Vec::len);
    let rate = |run: Option<&Vec<u32>>| (run.map_or(0, Vec::len) as f64 / series.measured.as_secs_f64()).round();
    let middle = &runs[runs.len() / 2];
    json!({
        "name": name,
        "connections": series.connections,
        "per_second": rate(Some(middle)),
        "least": rate(runs.first()),
        "most": rate(runs.last()),
        "p50_ms": milliseconds(middle, 0.5),
        "p99_ms": milliseconds(middle, 0.99),
        "max_ms": milliseconds(middle, 1.0),
    })
}

/// A request without a body.
pub fn get(path: &str, bearer: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {bearer}\r\n\r\n").into_bytes()
}

/// A request with a JSON body.
pub fn send(method: &str, path: &str, bearer: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {bearer}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
