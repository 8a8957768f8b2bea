//! Numbers for Prometheus.
//!
//! Owns: what is counted of requests. Numbers that the database knows are asked for when somebody looks, so they hold
//! across restarts and cost nothing meanwhile.

use crate::db::{Db, DbError};
use api::Code;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use std::{fmt, time::Duration};

/// The media type of the answer.
pub const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Problem {
    code: &'static str,
}

/// What is counted.
pub struct Metrics {
    registry: Registry,
    requests: Family<Asked, Counter>,
    seconds: Family<Route, Histogram>,
    problems: Family<Problem, Counter>,
    chunks: Gauge,
    bytes: Gauge,
    sessions: Gauge,
    waiting: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("spool"),
            requests: Family::default(),
            // From half a millisecond to eight seconds.
            seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.0005, 2.0, 15))),
            problems: Family::default(),
            chunks: Gauge::default(),
            bytes: Gauge::default(),
            sessions: Gauge::default(),
            waiting: Gauge::default(),
        };
        let Self { registry, requests, seconds, problems, chunks, bytes, sessions, waiting } = &mut metrics;
        registry.register("requests", "Requests that were answered", requests.clone());
        let words = "Time until an answer began";
        registry.register_with_unit("request", words, Unit::Seconds, seconds.clone());
        let words = "Refusals, by code; `store-unavailable` is the object store's fault";
        registry.register("problems", words, problems.clone());
        registry.register("confirmed_chunks", "Chunks that are confirmed", chunks.clone());
        registry.register_with_unit("confirmed", "Bytes that are confirmed", Unit::Bytes, bytes.clone());
        registry.register("active_sessions", "Sessions that are being recorded", sessions.clone());
        registry.register("waiting_changes", "Changes that wait for the database", waiting.clone());
        metrics
    }
}

impl Metrics {
    /// A request was answered. `route` is the pattern, so that there are not as many as ids.
    pub fn answered(&self, method: &str, route: &str, status: u16, code: Option<Code>, took: Duration) {
        let asked = Asked { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&asked).inc();
        let route = Route { route: route.to_owned() };
        self.seconds.get_or_create(&route).observe(took.as_secs_f64());
        if let Some(code) = code {
            self.problems.get_or_create(&Problem { code: code.as_str() }).inc();
        }
    }

    /// All numbers as they are now.
    pub async fn text(&self, db: &Db) -> Result<String, DbError> {
        let sums =
            "SELECT coalesce(sum(chunks), 0), coalesce(sum(bytes), 0), count(*) FILTER (WHERE phase = 0)
                    FROM session";
        let (chunks, bytes, sessions): (i64, i64, i64) = db
            .read(move |rows| {
                let mut sums = rows.prepare_cached(sums)?;
                sums.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(DbError::from)
            })
            .await?;
        self.chunks.set(chunks);
        self.bytes.set(bytes);
        self.sessions.set(sessions);
        self.waiting.set(i64::try_from(db.waiting()).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a text takes all that is written to it");
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
