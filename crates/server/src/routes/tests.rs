//! The description says what the router does, and the other way round.

use super::*;
use crate::{
    clock::Clock,
    config::{Config, Cors},
    state::Server,
};
use axum::{body::Body, http::Request};
use std::collections::{BTreeMap, BTreeSet};
use tower::ServiceExt;

/// Routes that are for people, and the framework's own for all that is unknown.
const OTHERS: [&str; 3] = ["/pair", "/", "/{*__private__axum_fallback}"];

async fn app(folder: &std::path::Path) -> App {
    let config = Config {
        data: folder.to_owned(),
        public_url: "http://localhost".to_owned(),
        object_store: None,
        silence: Duration::from_secs(120),
        tls: None,
        trusts_proxy: false,
        cors: Cors::None,
        rate_limit: 0,
        session_rate_limit: 0,
        has_public_metrics: false,
    };
    Server::open(config, Clock::system()).await.unwrap()
}

/// Methods of each path, as the description has them.
fn methods(app: &App) -> BTreeMap<String, BTreeSet<String>> {
    let document = serde_json::to_value(parts(app).2).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let upper = |item: &serde_json::Value| -> BTreeSet<String> {
        item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect()
    };
    paths.iter().map(|(path, item)| (path.clone(), upper(item))).collect()
}

#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    let described = methods(&app);
    let router = router(app).unwrap();

    // The router tells its paths only in its debugging words.
    let words = format!("{router:?}");
    let served = words.split('"').filter(|text| text.starts_with('/') && !OTHERS.contains(text));
    let served: BTreeSet<_> = served.map(|path| path.replace("{*", "{")).collect();
    assert_eq!(served, described.keys().cloned().collect());

    // A method that no route has is answered with those that it has.
    for (path, methods) in &described {
        let request =
            Request::builder().method("TRACE").uri(path.replace(['{', '}'], "")).body(Body::empty());
        let answer = router.clone().oneshot(request.unwrap()).await.unwrap();
        let allowed = answer.headers()[header::ALLOW].to_str().unwrap();
        let allowed = allowed.split(',').filter(|method| *method != "HEAD").map(str::to_owned);
        assert_eq!(&allowed.collect::<BTreeSet<_>>(), methods, "{path}");
    }
}

#[tokio::test]
async fn every_route_says_how_it_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    let document = serde_json::to_value(parts(&app).2).unwrap();
    let free = ["/health/live", "/v1/openapi.json"];
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let mut answers = operation["responses"].as_object().unwrap().iter();
            let refuses = answers.any(|(status, answer)| {
                status.starts_with(['4', '5']) && answer["content"][api::PROBLEM_TYPE].is_object()
            });
            assert!(refuses || free.contains(&path.as_str()), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn codes_are_described_as_they_are_sent() {
    let folder = tempfile::tempdir().unwrap();
    let document = serde_json::to_value(parts(&app(folder.path()).await).2).unwrap();
    let codes = document["components"]["schemas"]["Code"]["enum"].as_array().unwrap();
    assert!(codes.contains(&"index-taken".into()) && !codes.contains(&"unknown".into()), "{codes:?}");
}
