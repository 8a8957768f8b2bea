//! The program itself: starting, stopping, and how it answers what it does not know.

mod support;

use api::Code;
use reqwest::Method;
use serde_json::Value;
use support::{Place, check_problem, program, read};

#[tokio::test]
async fn the_first_start_prints_a_token_and_later_ones_do_not() {
    let place = Place::new();
    let mut server = place.serve(&[]);
    assert_eq!(server.line(), format!("admin token: {}", server.admin));
    let health: Value = read(server.bare(Method::GET, "/health").send().await.unwrap()).await;
    assert_eq!(health["status"], "ok");
    assert!(health["timestamp"].as_i64().unwrap() > 1_700_000_000_000);
    let first = server.admin.clone();
    server.stop();
    let mut server = place.serve(&[]);
    assert_eq!(server.admin, first);
    server.ask_to_stop();
    assert_eq!(server.line(), "", "nothing more is said until the end");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let place = Place::new();
    let server = place.serve(&[]);
    check_problem(server.bare(Method::GET, "/nowhere").send().await.unwrap(), Code::NotFound).await;
    let answer = server.bare(Method::DELETE, "/health/live").send().await.unwrap();
    assert_eq!(answer.headers()["allow"], "GET,HEAD");
    check_problem(answer, Code::MethodNotAllowed).await;
}

#[tokio::test]
async fn every_answer_has_an_id() {
    let place = Place::new();
    let server = place.serve(&[]);
    let ask = |id: &'static str| server.bare(Method::GET, "/health").header("x-request-id", id).send();
    assert_eq!(ask("mine-1").await.unwrap().headers()["x-request-id"], "mine-1");
    let other = ask("not \"plain\"").await.unwrap().headers()["x-request-id"].clone();
    assert_eq!(other.len(), 36, "{other:?}");
}

#[tokio::test]
async fn a_document_that_was_changed_on_the_way_is_refused() {
    let place = Place::new();
    let server = place.serve(&[]);
    let send = |sent: &'static str, meant: &'static str| {
        let request = server.admin(Method::POST, "/v1/tokens").header("content-type", "application/json");
        request.header(api::CONTENT_DIGEST, api::content_digest(meant.as_bytes())).body(sent).send()
    };
    let (meant, changed) = (r#"{"label":"a","scopes":["read"]}"#, r#"{"label":"b","scopes":["read"]}"#);
    check_problem(send(changed, meant).await.unwrap(), Code::HashMismatch).await;
    let tokens: Value = read(server.admin(Method::GET, "/v1/tokens").send().await.unwrap()).await;
    let labels: Vec<_> = tokens["tokens"].as_array().unwrap().iter().map(|token| &token["label"]).collect();
    assert!(!labels.contains(&&Value::from("b")), "{tokens}");
    let _: Value = read(send(meant, meant).await.unwrap()).await;
}

#[test]
fn a_folder_has_one_server() {
    let place = Place::new();
    let _server = place.serve(&[]);
    let output =
        program().args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(place.data()).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another server uses"));
}

#[test]
fn other_databases_are_refused() {
    let place = Place::new();
    let flags = ["serve", "--listen", "127.0.0.1:0", "--database", "postgres://a/b", "--data"];
    let output = program().args(flags).arg(place.data()).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("sqlite"));
}
