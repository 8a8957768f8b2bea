//! How often an address may ask.
//!
//! Owns: whose request it is, and three limits: a strict one where secrets could be guessed, an ordinary one, and a
//! generous one for sessions, since one recorder may upload hundreds of chunks a second. Counts in memory alone.

use crate::{config::Config, problem::Refusal, state::App};
use api::Code;
use axum::{
    body::Body,
    extract::{ConnectInfo, Request},
    http::{HeaderMap, Request as HttpRequest},
    response::IntoResponse,
};
use governor::middleware::NoOpMiddleware;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tower_governor::{
    GovernorError, GovernorLayer,
    governor::{GovernorConfig, GovernorConfigBuilder},
    key_extractor::KeyExtractor,
};
use utoipa_axum::router::OpenApiRouter;

/// Requests a second where secrets could be guessed, and how many may come at once.
const STRICT: (u32, u32) = (2, 60);
/// Ordinary and generous limits allow so many seconds' worth at once.
const BURST_SECONDS: u32 = 2;

type Counter = Arc<GovernorConfig<ByAddress, NoOpMiddleware>>;

/// The limits of a running server.
pub struct Limits {
    strict: Option<Counter>,
    ordinary: Option<Counter>,
    generous: Option<Counter>,
}

impl Limits {
    /// As the operator chose.
    pub fn new(config: &Config) -> Self {
        let with_burst = |rate: u32| (rate, rate.saturating_mul(BURST_SECONDS));
        Self {
            strict: counter(STRICT),
            ordinary: counter(with_burst(config.rate_limit)),
            generous: counter(with_burst(config.session_rate_limit)),
        }
    }

    /// For routes that take secrets.
    pub fn strict(&self, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
        limited(routes, &self.strict)
    }

    /// For most routes.
    pub fn ordinary(&self, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
        limited(routes, &self.ordinary)
    }

    /// For routes of sessions and objects.
    pub fn generous(&self, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
        limited(routes, &self.generous)
    }

    /// Forgets addresses that have not been heard of for a while.
    pub fn forget(&self) {
        for counter in [&self.strict, &self.ordinary, &self.generous].into_iter().flatten() {
            counter.limiter().retain_recent();
            counter.limiter().shrink_to_fit();
        }
    }
}

fn counter((a_second, burst): (u32, u32)) -> Option<Counter> {
    let period = Duration::from_secs(1).checked_div(a_second)?;
    let mut builder = GovernorConfigBuilder::default().key_extractor(ByAddress);
    builder.period(period).burst_size(burst).finish().map(Arc::new)
}

fn limited(routes: OpenApiRouter<App>, counter: &Option<Counter>) -> OpenApiRouter<App> {
    match counter {
        Some(counter) => routes.layer(GovernorLayer::new(Arc::clone(counter)).error_handler(refuse)),
        None => routes,
    }
}

fn refuse(error: GovernorError) -> axum::http::Response<Body> {
    let wait = match error {
        // Rounded down by the library: nobody should come again too early.
        GovernorError::TooManyRequests { wait_time, .. } => wait_time.saturating_add(1),
        GovernorError::UnableToExtractKey | GovernorError::Other { .. } => 1,
    };
    let words = "too many requests from this address";
    Refusal::new(Code::TooMany, words).after(Duration::from_secs(wait)).into_response()
}

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The other end of the connection; behind a proxy that is trusted, the address that it saw.
    pub fn of(request: &Request, trusts_proxy: bool) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |ConnectInfo(address)| address.ip());
        let seen = if trusts_proxy { seen_by_proxy(request.headers()) } else { None };
        Self(seen.unwrap_or(peer).to_canonical())
    }
}

/// The last address, which the proxy itself added. What stands before it could be anybody's word.
fn seen_by_proxy(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ByAddress;

impl KeyExtractor for ByAddress {
    /// One home has a whole network of version 6: its first 64 bits count.
    type Key = IpAddr;

    fn extract<T>(&self, request: &HttpRequest<T>) -> Result<IpAddr, GovernorError> {
        let ClientAddress(address) =
            request.extensions().get::<ClientAddress>().ok_or(GovernorError::UnableToExtractKey)?;
        Ok(match address {
            IpAddr::V6(six) => IpAddr::V6((six.to_bits() >> 64 << 64).into()),
            four => *four,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        seen_by_proxy(&headers).map(|address| address.to_string())
    }

    #[test]
    fn only_what_the_proxy_added_is_believed() {
        assert_eq!(seen(&["1.1.1.1, 2.2.2.2"]).unwrap(), "2.2.2.2");
        assert_eq!(seen(&["1.1.1.1", "::1"]).unwrap(), "::1");
        assert_eq!(seen(&["1.1.1.1, unknown"]), None);
        assert_eq!(seen(&[]), None);
    }

    #[test]
    fn a_limit_of_zero_is_none() {
        assert!(counter((0, 0)).is_none());
        assert!(counter((5000, 10_000)).is_some());
    }
}
