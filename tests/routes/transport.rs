//! What holds for every path: methods, heads, bodies, CORS, and what dropshot or hyper answers before us
//! (`docs/dropshot.md`).

use keepward_tests::{Http, Organisation, RawConnection, shared};

fn http() -> Http {
    Http::new(&shared().url)
}

#[tokio::test]
async fn unknown_routes_are_404_and_wrong_methods_405() {
    for path in
        ["/", "/v1", "/v2/vaults", "/v1/nothing", "//v1/vaults", "/v1//vaults", "/api/api/v1/health", "/v1/auth/me/x"]
    {
        let answer = http().send("GET", path, None, None).await;
        assert!(answer.is_problem(404), "{path}: {answer:?}");
    }
    for (method, path, allow) in [
        ("PUT", "/v1/vaults", "GET, HEAD, POST"),
        ("TRACE", "/v1/health", "GET, HEAD"),
        ("POST", "/v1/agents/me", "GET, HEAD"),
        ("PATCH", "/v1/auth/token", "DELETE, POST"),
    ] {
        let answer = http().send(method, path, None, None).await;
        assert!(answer.is_problem(405) && answer.header("allow") == allow, "{method} {path}: {answer:?}");
    }
    let head = http().send("HEAD", "/v1/auth/token", None, None).await;
    assert_eq!((head.status, head.header("allow"), head.text.as_str()), (405, "DELETE, POST", ""));
    // Byte by byte: no client hides a body here, and the next answer on the connection begins where it has to.
    let twice =
        "HEAD /v1/health HTTP/1.1\r\nHost: a\r\n\r\nHEAD /v1/nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let said = http().exchange(twice, b"");
    let answers: Vec<&str> = said.split("HTTP/1.1 ").skip(1).collect();
    assert!(answers.len() == 2 && answers[0].starts_with("200") && answers[1].starts_with("404"), "{said}");
    assert!(
        answers.iter().all(|answer| answer.ends_with("\r\n\r\n") && !answer.contains("content-length: 0")),
        "{said}"
    );
}

#[tokio::test]
async fn preflight_is_204_on_every_path() {
    for path in ["/v1/vaults", "/nothing"] {
        let answer = http().send("OPTIONS", path, None, None).await;
        assert_eq!(answer.status, 204);
        for name in ["X-PAYMENT", "DPoP", "X-Auth-Confirm"] {
            assert!(answer.header("access-control-allow-headers").contains(name), "{name}");
        }
        assert!(answer.headers.get("access-control-allow-origin").is_none(), "no wildcard");
    }
    let url = shared().url;
    let ask = |origin: &str| {
        http().exchange(
            &format!("OPTIONS /v1/vaults HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n"),
            b"",
        )
    };
    assert!(!ask("https://evil.example").contains("access-control-allow-origin"));
    // The public URL names port 0 as configured; the shared server's own address is not its origin.
    assert!(ask("http://127.0.0.1:0").contains("access-control-allow-origin: http://127.0.0.1:0"), "{url}");
}

#[tokio::test]
async fn get_may_carry_a_content_type_and_delete_an_empty_json_body() {
    let organisation = Organisation::new().await;
    let token = Some(organisation.owner_token.as_str());
    let empty = Some(("application/json", Vec::new()));
    assert_eq!(organisation.http.send_raw("GET", "/v1/auth/me", token, empty.clone()).await.status, 200);
    assert_eq!(organisation.http.send_raw("DELETE", "/v1/auth/token", token, empty).await.status, 204);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered_so_that_it_can_be_read() {
    let body = vec![b'x'; 6 * 1024 * 1024];
    let head = format!(
        "POST /v1/auth/signup HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let answer = http().exchange(&head, &body);
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("\"status\":413"), "{answer}");
    let head = "POST /v1/auth/signup HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let mut chunked = format!("{:x}\r\n", body.len()).into_bytes();
    chunked.extend_from_slice(&body);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let answer = http().exchange(head, &chunked);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_body_that_ends_early_changes_nothing() {
    let organisation = Organisation::new().await;
    let token = &organisation.owner_token;
    let mut connection = RawConnection::open(&organisation.http.url);
    connection.write(format!("POST /v1/vaults HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"name\":\"x\"}}").as_bytes());
    connection.close_writing();
    let _ = connection.read_all();
    drop(connection);
    assert!(organisation.owner.vaults().list().await.unwrap().vaults.is_empty());
}

/// The list of `docs/dropshot.md`: refused before there is a request of ours; the status is right, the body its own.
#[tokio::test]
async fn what_dropshot_and_hyper_answer_themselves() {
    let send = |head: &str| http().exchange(head, b"");
    for (name, head, status) in [
        ("dot segments", "GET /v1/../v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(), "400"),
        (
            "bytes that are no UTF-8",
            "GET /v1/auth/device/code/%ff HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
            "400",
        ),
        ("an unknown method", "BREW /v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(), "405"),
        ("a broken head", "GET /v1/health HTTP/9\r\n\r\n".to_owned(), "400"),
        (
            "a head of 1 MB",
            format!("GET /v1/health HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1_000_000)),
            "431",
        ),
        (
            "a head of 101 lines",
            format!("GET /v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n", "X: x\r\n".repeat(99)),
            "431",
        ),
        (
            "a target of 66,000 bytes",
            format!("GET /v1/{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "x".repeat(66_000)),
            "414",
        ),
    ] {
        let answer = send(&head);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {answer}");
    }
}

#[tokio::test]
async fn a_head_over_32_kilobytes_is_431() {
    let head = format!("GET /v1/health HTTP/1.1\r\nHost: a\r\nX: {}\r\nConnection: close\r\n\r\n", "x".repeat(33_000));
    let answer = http().exchange(&head, b"");
    assert!(answer.starts_with("HTTP/1.1 431") && answer.contains("application/problem+json"), "{answer}");
}

#[tokio::test]
async fn a_host_is_given_once() {
    for (heads, what) in [("", "missing"), ("Host: a\r\nHost: a\r\n", "twice")] {
        let answer = http().exchange(&format!("GET /v1/health HTTP/1.1\r\n{heads}Connection: close\r\n\r\n"), b"");
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains(what), "{answer}");
    }
}

#[tokio::test]
async fn what_is_answered_before_its_body_can_be_read() {
    let body = vec![b'x'; 6_000_000];
    for (heads, status) in [
        ("OPTIONS /v1/vaults HTTP/1.1\r\nHost: a\r\n".to_owned(), "204"),
        ("POST /v1/vaults HTTP/1.1\r\nHost: a\r\nHost: b\r\n".to_owned(), "400"),
        (format!("POST /v1/vaults HTTP/1.1\r\nHost: a\r\nX: {}\r\n", "x".repeat(40_000)), "431"),
        ("POST /v1/nothing HTTP/1.1\r\nHost: a\r\n".to_owned(), "404"),
    ] {
        let head = format!("{heads}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let answer = http().exchange(&head, &body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}

#[tokio::test]
async fn the_document_is_served() {
    let answer = http().send("GET", "/v1/openapi.json", None, None).await;
    assert_eq!(answer.json(), serde_json::from_str::<serde_json::Value>(keepward::DOCUMENT).unwrap());
}

/// Keys and the document are everybody's and change seldom; nothing else may be kept.
#[tokio::test]
async fn what_may_be_cached() {
    for (path, cache) in [
        ("/v1/auth/jwks", "public, max-age=300"),
        ("/v1/openapi.json", "public, max-age=300"),
        ("/v1/health", "no-store"),
        ("/v1/vaults", "no-store"),
        ("/v1/auth/jwks/x", "no-store"),
    ] {
        assert_eq!(http().send("GET", path, None, None).await.header("cache-control"), cache, "{path}");
    }
}
