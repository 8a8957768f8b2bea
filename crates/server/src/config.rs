//! What an operator may choose: flags of `serve`, each with its variable.
//!
//! Owns: flags, defaults, and saying early what cannot be. Reads nothing but the arguments.

use anyhow::{Context, bail};
use axum::http::HeaderValue;
use clap::{Args, ValueEnum};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use url::Url;

/// Flags of `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Folder of the database, the keys and, where it is its own object store, the objects.
    #[arg(long, value_name = "DIR", env = "SPOOL_DATA")]
    pub data: Option<PathBuf>,
    /// Address and port; port 0 takes a free one, which is printed.
    #[arg(long, value_name = "ADDR", env = "SPOOL_LISTEN", default_value = "127.0.0.1:7878")]
    pub listen: SocketAddr,
    /// How others reach this server, as a proxy's users see it. The listening address if not given.
    #[arg(long, value_name = "URL", env = "SPOOL_PUBLIC_URL")]
    pub public_url: Option<Url>,
    /// Where objects lie: `folder` (in the data folder) if not given, `folder:/path` or `s3://KEY:SECRET@HOST/BUCKET`.
    #[arg(long, value_name = "URL", env = "SPOOL_OBJECT_STORE")]
    pub object_store: Option<String>,
    /// The database: `sqlite` (in the data folder) is the only one.
    #[arg(long, value_name = "URL", env = "SPOOL_DATABASE", default_value = "sqlite")]
    pub database: String,
    /// Seconds without a word from a recorder after which its session is finalized for the time being.
    #[arg(long, value_name = "SECONDS", env = "SPOOL_SILENCE", default_value_t = 120,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub silence: u32,
    /// How requests are logged on stderr.
    #[arg(long, value_enum, env = "SPOOL_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// A certificate chain (PEM) for TLS, with --tls-key. Without, put a proxy that does TLS in front.
    #[arg(long, value_name = "FILE", env = "SPOOL_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, value_name = "FILE", env = "SPOOL_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// A proxy is in front and nobody gets around it: the last address of X-Forwarded-For is the caller's.
    #[arg(long, env = "SPOOL_TRUST_PROXY")]
    pub trust_proxy: bool,
    /// Origins whose pages may call this server, such as https://example.org; or `*`. None if not given.
    #[arg(long, value_name = "ORIGIN", env = "SPOOL_CORS_ORIGIN", value_delimiter = ',')]
    pub cors_origin: Vec<String>,
    /// Requests a second for each address; 0 is without limit.
    #[arg(long, value_name = "N", env = "SPOOL_RATE_LIMIT", default_value_t = 100)]
    pub rate_limit: u32,
    /// The same for routes of sessions and objects; one recorder may send hundreds.
    #[arg(long, value_name = "N", env = "SPOOL_SESSION_RATE_LIMIT", default_value_t = 5000)]
    pub session_rate_limit: u32,
    /// Let everybody read /metrics, not only who has an admin token.
    #[arg(long, env = "SPOOL_PUBLIC_METRICS")]
    pub public_metrics: bool,
    /// Seconds by which the wall clock is off, for tests.
    #[arg(long, env = "SPOOL_CLOCK_OFFSET", default_value_t = 0, hide = true, allow_hyphen_values = true)]
    pub clock_offset: i64,
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON document a line.
    Json,
}

/// What was chosen, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of everything that this server keeps.
    pub data: PathBuf,
    /// Where others reach this server: scheme, host, port and perhaps a path, without a slash at its end.
    pub public_url: String,
    /// Where objects lie, as it was given; none for the data folder.
    pub object_store: Option<String>,
    /// A session whose recorder is not heard of for so long is finalized for the time being.
    pub silence: Duration,
    /// The certificate chain and its key, where this server does TLS itself.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether what a proxy says of the caller's address is true.
    pub trusts_proxy: bool,
    /// Whose pages may call this server.
    pub cors: Cors,
    /// Requests a second for each address; 0 is without limit.
    pub rate_limit: u32,
    /// The same for routes of sessions and objects.
    pub session_rate_limit: u32,
    /// Whether everybody may read the numbers.
    pub has_public_metrics: bool,
}

/// Whose pages may call this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// Nobody's.
    None,
    /// Those of these origins.
    Of(Vec<HeaderValue>),
    /// Everybody's.
    All,
}

impl Config {
    /// Checks what was chosen. `listening` is the address that the system gave.
    pub fn new(args: &ServeArgs, listening: SocketAddr) -> anyhow::Result<Self> {
        if args.database != "sqlite" {
            bail!("the only database of this version is sqlite, in the data folder; got {:?}", args.database);
        }
        let tls = args.tls_cert.clone().zip(args.tls_key.clone());
        let public_url = match &args.public_url {
            Some(url) => checked_public_url(url)?,
            None => format!("{}://{}", scheme(tls.is_some()), reachable(listening)),
        };
        Ok(Self {
            data: data_folder(args.data.as_deref())?,
            public_url,
            object_store: args.object_store.clone(),
            tls,
            trusts_proxy: args.trust_proxy,
            cors: cors(&args.cors_origin)?,
            rate_limit: args.rate_limit,
            session_rate_limit: args.session_rate_limit,
            has_public_metrics: args.public_metrics,
            silence: Duration::from_secs(args.silence.into()),
        })
    }
}

/// The folder that was chosen, or the one in this user's data folder.
pub fn data_folder(chosen: Option<&Path>) -> anyhow::Result<PathBuf> {
    match chosen {
        Some(folder) => Ok(folder.to_owned()),
        None => Ok(dirs::data_dir()
            .context("this system names no data folder: give --data")?
            .join("spool-server")),
    }
}

/// How addresses begin.
pub fn scheme(has_tls: bool) -> &'static str {
    if has_tls { "https" } else { "http" }
}

fn cors(origins: &[String]) -> anyhow::Result<Cors> {
    if origins.is_empty() {
        return Ok(Cors::None);
    }
    if origins.iter().any(|origin| origin == "*") {
        return Ok(Cors::All);
    }
    origins.iter().map(|origin| checked_origin(origin)).collect::<anyhow::Result<_>>().map(Cors::Of)
}

/// As browsers write it, or it would never be the same.
fn checked_origin(text: &str) -> anyhow::Result<HeaderValue> {
    let origin = Url::parse(text).map(|url| url.origin().ascii_serialization());
    if origin.as_deref() != Ok(text) {
        bail!("an origin is a scheme, a host and perhaps a port, such as https://example.org; got {text}");
    }
    HeaderValue::from_str(text).with_context(|| format!("the origin {text}"))
}

fn checked_public_url(url: &Url) -> anyhow::Result<String> {
    let is_plain =
        matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
    if !is_plain || url.host().is_none() || !url.username().is_empty() || url.password().is_some() {
        bail!(
            "--public-url must be http or https, with a host and without query, fragment or user; got {url}"
        );
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Who listens on every address is reached on this machine's own, as long as nobody says better.
pub fn reachable(listening: SocketAddr) -> SocketAddr {
    let mut address = listening;
    if address.ip().is_unspecified() {
        let own =
            if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(own);
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public_url(text: &str) -> Option<String> {
        checked_public_url(&Url::parse(text).unwrap()).ok()
    }

    #[test]
    fn a_public_url_is_a_place_and_nothing_else() {
        assert_eq!(public_url("https://spool.example/"), Some("https://spool.example".to_owned()));
        assert_eq!(public_url("https://example.org/spool/"), Some("https://example.org/spool".to_owned()));
        for bad in ["ftp://a/", "https://a/?b", "https://a/#b", "https://me@a/", "data:x"] {
            assert_eq!(public_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn origins_are_as_browsers_write_them() {
        let all = |origins: &[&str]| cors(&origins.iter().map(|&text| text.to_owned()).collect::<Vec<_>>());
        assert_eq!(all(&[]).unwrap(), Cors::None);
        assert_eq!(all(&["https://a.example", "*"]).unwrap(), Cors::All);
        let good = ["https://a.example", "http://localhost:5173"];
        assert_eq!(all(&good).unwrap(), Cors::Of(good.map(HeaderValue::from_static).to_vec()));
        for bad in ["https://a.example/", "a.example", "https://A.example", "https://a.example:443", ""] {
            assert!(all(&[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_address_is_reached_on_our_own() {
        assert_eq!(reachable("0.0.0.0:80".parse().unwrap()).to_string(), "127.0.0.1:80");
        assert_eq!(reachable("[::]:80".parse().unwrap()).to_string(), "[::1]:80");
        assert_eq!(reachable("10.0.0.1:80".parse().unwrap()).to_string(), "10.0.0.1:80");
    }
}
