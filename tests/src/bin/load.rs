//! A load generator for `cargo xtask bench`: kept connections, one request at a time on each, as fast as answers come.
//! What it can do at most is seen in the same run against a bare route.
//!
//! `load bare URL` or `load vault URL`; prints one JSON line a measurement.

use keepward::types::PolicyPermission::{Read, Write};
use keepward_tests::Organisation;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 32;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(8);

/// Reads one answer; its status. Answers here have a length or no body.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    buffer.clear();
    loop {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server closed the connection");
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end]).unwrap();
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let total = end + 4 + length.unwrap_or(0usize);
        if buffer.len() >= total {
            return head[9..12].parse().unwrap();
        }
    }
}

async fn measure(name: &str, url: &str, request: impl Fn(usize, u64) -> Vec<u8> + Clone + Send + 'static) {
    let address = url.strip_prefix("http://").unwrap().to_owned();
    let start = Instant::now() + WARM_UP;
    let end = start + MEASURED;
    let tasks: Vec<_> = (0..CONNECTIONS)
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
                    assert!((200..300).contains(&status), "{status}: {}", String::from_utf8_lossy(&buffer));
                    if asked >= start {
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
    let at = |part: f64| f64::from(micros[((micros.len() - 1) as f64 * part) as usize]) / 1000.0;
    let rate = micros.len() as f64 / MEASURED.as_secs_f64();
    println!(
        "{}",
        serde_json::json!({"name": name, "per_second": rate.round(), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0)})
    );
}

fn get(path: &str, bearer: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {bearer}\r\n\r\n").into_bytes()
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, url] = arguments.as_slice() else { panic!("load bare|vault URL") };
    if what == "bare" {
        let request = get("/bare", "x");
        return measure("bare", url, move |_, _| request.clone()).await;
    }
    let organisation = Organisation::on(url).await;
    let vault = organisation.vault().await;
    let (agent, key) = organisation.agent().await;
    organisation.grant(vault, "load/**", agent, &[Read, Write]).await;
    organisation.owner.secrets().put(vault, "load/secret", "x".repeat(100)).await.unwrap();
    let exchange = serde_json::json!({"api_key": key.expose()});
    let token = organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&exchange)).await;
    let token = token.json()["access_token"].as_str().unwrap().to_owned();
    let request = get(&format!("/v1/vaults/{vault}/secrets/load/secret"), &token);
    measure("read", url, move |_, _| request.clone()).await;
    let request = get("/v1/agents/me", &token);
    measure("me", url, move |_, _| request.clone()).await;
    let body = serde_json::json!({"value": "x".repeat(100)}).to_string();
    measure("write", url, move |connection, n| {
        format!(
            "PUT /v1/vaults/{vault}/secrets/load/{connection}/{n} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    })
    .await;
}
