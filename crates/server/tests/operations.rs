//! What operators see and choose: numbers, logs, limits, origins, TLS, proxies, and an end in order.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use api::Code;
use rcgen::generate_simple_self_signed;
use reqwest::{Certificate, Method, StatusCode};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
};
use support::{Place, check_problem, read};

#[tokio::test]
async fn numbers_are_for_who_has_the_admin_token() {
    let place = Place::new();
    let server = place.serve(&[]);
    check_problem(server.bare(Method::GET, "/metrics").send().await.unwrap(), Code::Unauthorized).await;
    server.bare(Method::GET, "/v1/tokens").send().await.unwrap();
    let answer = server.admin(Method::GET, "/metrics").send().await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = answer.text().await.unwrap();
    for line in [
        r#"spool_requests_total{method="GET",route="/v1/tokens",status="401"} 1"#,
        r#"spool_request_seconds_count{route="/v1/tokens"} 1"#,
        r#"spool_problems_total{code="unauthorized"} 2"#,
        "spool_confirmed_chunks 0",
        "spool_confirmed_bytes 0",
        "spool_active_sessions 0",
        "spool_waiting_changes 0",
        "# EOF",
    ] {
        assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
    }
    let place = Place::new();
    let server = place.serve(&["--public-metrics"]);
    assert_eq!(server.bare(Method::GET, "/metrics").send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn logs_have_ids_and_no_secrets() {
    let place = Place::new();
    let (server, log) = place.serve_logging(&["--log-format", "json"]);
    let ask = server.admin(Method::GET, "/v1/tokens?signature=hidden").header("x-request-id", "find-me");
    ask.send().await.unwrap();
    let admin = server.admin.clone();
    server.stop();
    let text = fs::read_to_string(log).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let line = lines.into_iter().find(|line| line["id"] == "find-me").unwrap();
    assert_eq!(
        (&line["method"], &line["path"], &line["status"]),
        (&"GET".into(), &"/v1/tokens".into(), &200.into())
    );
    assert_eq!(line["client"], "127.0.0.1");
    assert!(!text.contains("hidden") && !text.contains(&admin), "{text}");
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let place = Place::new();
    let server = place.serve(&["--rate-limit", "1", "--trust-proxy"]);
    let ask = |client: &'static str| {
        server.admin(Method::GET, "/v1/tokens").header("x-forwarded-for", client).send()
    };
    let mut codes = BTreeSet::new();
    for _ in 0..5 {
        let answer = ask("10.0.0.1").await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
            check_problem(answer, Code::TooMany).await;
            codes.insert(429);
        }
    }
    assert!(codes.contains(&429));
    // Others are not kept waiting, and nobody escapes by a header of their own.
    assert_eq!(ask("10.0.0.2").await.unwrap().status(), StatusCode::OK);
    assert_eq!(ask("10.0.0.3, 10.0.0.1").await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn guessing_is_slow() {
    let place = Place::new();
    let server = place.serve(&["--rate-limit", "0", "--session-rate-limit", "0"]);
    let guess = serde_json::json!({"secret": "spool_rt_0"});
    let mut refused = 0;
    for _ in 0..100 {
        let answer = server.bare(Method::POST, "/v1/tokens/refresh").json(&guess).send().await.unwrap();
        refused += usize::from(answer.status() == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn pages_of_other_origins_call_only_where_that_was_chosen() {
    let preflight = |server: &support::Server, origin: &'static str| {
        let ask = server.bare(Method::OPTIONS, "/v1/tokens").header("origin", origin);
        ask.header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization")
            .send()
    };
    let place = Place::new();
    let server = place.serve(&["--cors-origin", "https://a.example,https://b.example"]);
    let answer = preflight(&server, "https://b.example").await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://b.example");
    assert_eq!(answer.headers()["access-control-allow-headers"], "authorization");
    let answer = preflight(&server, "https://c.example").await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    let place = Place::new();
    let server = place.serve(&[]);
    let answer = preflight(&server, "https://a.example").await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    check_problem(answer, Code::MethodNotAllowed).await;
}

#[tokio::test]
async fn it_does_tls_itself() {
    let place = Place::new();
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (place.path("cert.pem"), place.path("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let flags = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let server = place.serve(&flags);
    let trusted = Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
    let url = server.url.replace("127.0.0.1", "localhost");
    assert!(url.starts_with("https://"), "{url}");
    let health: Value = read(client.get(format!("{url}/health")).send().await.unwrap()).await;
    assert_eq!(health["status"], "ok");
    server.client.get(format!("{url}/health")).send().await.unwrap_err();
}

/// Sends all of a request but its body.
fn begin_post(server: &support::Server, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /v1/tokens HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n",
        server.admin,
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_whole() {
    let place = Place::new();
    let server = place.serve(&[]);
    let mut stream = begin_post(&server, 2 << 20);
    stream.write_all(&vec![b' '; (1 << 20) + 1]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains(r#""code":"too-large""#), "{answer}");
}

/// A request that is under way when the server is told to stop is answered; its folder is free afterwards.
#[tokio::test]
async fn the_last_request_is_answered() {
    let place = Place::new();
    let mut server = place.serve(&[]);
    assert!(server.line().starts_with("admin token"));
    let body = r#"{"label":"x","scopes":["read"]}"#;
    let mut stream = begin_post(&server, body.len());
    // The server has the request in hand once it has answered another that came later.
    server.bare(Method::GET, "/health").send().await.unwrap();
    server.ask_to_stop();
    server.wait_until_it_listens_no_more();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    server.stop();
    place.serve(&[]).stop();
}

#[tokio::test]
async fn the_description_is_served() {
    let place = Place::new();
    let server = place.serve(&[]);
    let document: Value = read(server.bare(Method::GET, "/v1/openapi.json").send().await.unwrap()).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}
