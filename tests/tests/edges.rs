//! Which crate may know which: arrows point inward, and what links C stays out of what must compile everywhere.

use serde_json::Value;
use std::{collections::BTreeMap, process::Command};

/// What each crate may use of the others. `sim` and `stands` serve tests alone, so no part of the product depends on
/// them.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &["model"]),
    ("api", &["model"]),
    ("media", &["model"]),
    ("capture", &["model", "clock"]),
    ("codec", &["model", "media"]),
    ("compose", &["model"]),
    ("store", &["model", "media"]),
    ("upload", &["model", "api"]),
    ("export", &["model", "media", "codec", "compose", "store"]),
    (
        "engine",
        &["model", "clock", "media", "api", "capture", "codec", "compose", "store", "upload", "export"],
    ),
    ("server", &["model", "api"]),
    ("cli", &["engine"]),
    ("app", &["engine"]),
    ("sim", &ALL),
    ("stands", &[]),
    ("tests", &["model", "media", "api", "capture", "store", "stands"]),
    ("benches", &["model", "clock", "media", "capture", "codec", "compose", "store", "tests"]),
    ("xtask", &[]),
];
const ALL: [&str; 12] = [
    "model", "clock", "media", "api", "capture", "codec", "compose", "store", "upload", "export", "engine",
    "server",
];
/// What links a C library that other systems do not have, and who may use it.
const LINKS_C: &[(&str, &[&str])] = &[("ffmpeg-next", &["codec"]), ("rusqlite", &["store", "server", "sim"])];

struct Edge {
    from: String,
    to: String,
    only_in_tests: bool,
}

/// Every dependency of every crate of ours, by short names.
fn edges() -> Vec<Edge> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo speaks JSON");
    let short = |name: &Value| {
        let name = name.as_str().expect("packages have names");
        name.strip_prefix("spool-").unwrap_or(name).to_owned()
    };
    let list = |value: &Value| value.as_array().expect("cargo gives lists").clone();
    let mut edges = Vec::new();
    for package in list(&metadata["packages"]) {
        for dependency in list(&package["dependencies"]) {
            let only_in_tests = dependency["kind"] == "dev";
            edges.push(Edge { from: short(&package["name"]), to: short(&dependency["name"]), only_in_tests });
        }
    }
    edges
}

fn faults(edges: &[Edge]) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut faults = Vec::new();
    for Edge { from, to, only_in_tests } in edges {
        let Some(may) = allowed.get(from.as_str()) else {
            faults.push(format!("{from} is not in the list: say what it may use"));
            continue;
        };
        let is_ours = allowed.contains_key(to.as_str());
        // The server is tried with what will talk to it.
        let for_tests = ["sim", "stands"].contains(&to.as_str()) || (from == "server" && to == "upload");
        let in_tests = *only_in_tests && for_tests;
        if is_ours && !may.contains(&to.as_str()) && !in_tests {
            faults.push(format!("{from} uses {to}"));
        }
        for (library, users) in LINKS_C {
            if to == library && !users.contains(&from.as_str()) {
                faults.push(format!("{from} links {library}"));
            }
        }
    }
    faults
}

#[test]
fn crates_use_what_they_may() {
    let edges = edges();
    assert!(edges.iter().any(|edge| edge.from == "engine" && edge.to == "store"), "nothing was read");
    let faults = faults(&edges);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_wrong_edge_is_found() {
    let edge = |from: &str, to: &str, only_in_tests| Edge { from: from.into(), to: to.into(), only_in_tests };
    let wrong = [
        edge("capture", "store", false),
        edge("capture", "store", true),
        edge("engine", "sim", false),
        edge("capture", "stands", false),
        edge("capture", "ffmpeg-next", false),
        edge("replay", "model", false),
        edge("server", "upload", false),
    ];
    assert_eq!(faults(&wrong).len(), wrong.len(), "{:?}", faults(&wrong));
    let right = [
        edge("store", "sim", true),
        edge("capture", "stands", true),
        edge("store", "serde", false),
        edge("server", "upload", true),
    ];
    assert!(faults(&right).is_empty(), "{:?}", faults(&right));
}
