//! The server from outside: whatever is sent to it, it answers as it says that it does, and stays up.

use serde_json::json;
use spool_tests::{Server, my_turn, process};
use std::{fs, process::Command};

/// What must hold for every answer. That valid requests are accepted cannot: ids that are free or taken, sums that fit
/// and instants that follow each other are nothing that a schema can say.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance,unsupported_method";

/// Sends requests made from the server's own description, and others that it forbids. `about` is schemathesis's
/// configuration: what it cannot make up.
#[track_caller]
fn assert_answers_are_described(server: &Server, token: &str, routes: &str, about: &str) {
    let folder = server.data().join("schemathesis");
    fs::create_dir_all(&folder).expect("there is room for a folder");
    fs::write(folder.join("schemathesis.toml"), about).expect("there is room for a file");
    let mut tester = Command::new(process::python_tool("schemathesis"));
    tester.args(["run", &format!("{}/v1/openapi.json", server.url()), "--checks", CHECKS]);
    tester.args(["--header", &format!("Authorization: Bearer {token}"), "--include-path-regex", routes]);
    tester.args([
        "--max-examples",
        "40",
        "--seed",
        "20261122",
        "--no-color",
        "--suppress-health-check",
        "all",
    ]);
    let output = process::output(tester.current_dir(folder));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let cases = said.lines().find_map(|line| line.trim().split_once(" generated, ")?.0.parse::<u32>().ok());
    assert!(cases.is_some_and(|cases| cases > 200), "{said}");
    assert_eq!(server.ask("GET", "/health/ready", "", None).0, 200);
}

/// Nobody is told to come later.
fn patient_server() -> Server {
    Server::with(&["--rate-limit", "0", "--session-rate-limit", "0"])
}

#[test]
fn every_answer_is_described_whatever_was_asked() {
    let _turn = my_turn();
    let server = patient_server();
    assert_answers_are_described(&server, &server.admin_token(), "^/", "");
}

#[test]
fn every_answer_about_a_session_is_described_whatever_was_asked() {
    let _turn = my_turn();
    let (server, ids) =
        (patient_server(), ["0193b5f0-0000-7000-8000-000000000001", "0193b5f0-0000-7000-8000-000000000002"]);
    let admin = server.admin_token();
    let created =
        server.ask("POST", "/v1/recordings", &admin, Some(&json!({ "id": ids[0], "title": "one" })));
    assert_eq!(created.0, 201, "{created:?}");
    let join = json!({ "id": ids[1], "started_at": 0 });
    let joined = server.ask("POST", &format!("/v1/recordings/{}/sessions", ids[0]), &admin, Some(&join));
    let token = joined.1["token"].as_str().unwrap_or_else(|| panic!("{joined:?}"));
    let about = format!("[parameters]\n\"path.id\" = \"{}\"\n", ids[1]);
    assert_answers_are_described(&server, token, "^/v1/sessions/", &about);
}
