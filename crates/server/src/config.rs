//! What an operator may choose: flags of `serve`, each with its variable.
//!
//! Owns: flags, defaults, and saying early what cannot be. Reads nothing but the arguments.

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
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
    /// Where objects lie: `folder` (in the data folder) if not given.
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
}

impl Config {
    /// Checks what was chosen. `listening` is the address that the system gave.
    pub fn new(args: &ServeArgs, listening: SocketAddr) -> anyhow::Result<Self> {
        if args.database != "sqlite" {
            bail!("the only database of this version is sqlite, in the data folder; got {:?}", args.database);
        }
        let public_url = match &args.public_url {
            Some(url) => checked_public_url(url)?,
            None => format!("http://{}", reachable(listening)),
        };
        Ok(Self {
            data: data_folder(args)?,
            public_url,
            object_store: args.object_store.clone(),
            silence: Duration::from_secs(args.silence.into()),
        })
    }
}

/// The folder that was chosen, or the one in this user's data folder.
pub fn data_folder(args: &ServeArgs) -> anyhow::Result<PathBuf> {
    match &args.data {
        Some(folder) => Ok(folder.clone()),
        None => Ok(dirs::data_dir()
            .context("this system names no data folder: give --data")?
            .join("spool-server")),
    }
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
fn reachable(listening: SocketAddr) -> SocketAddr {
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
    fn every_address_is_reached_on_our_own() {
        assert_eq!(reachable("0.0.0.0:80".parse().unwrap()).to_string(), "127.0.0.1:80");
        assert_eq!(reachable("[::]:80".parse().unwrap()).to_string(), "[::1]:80");
        assert_eq!(reachable("10.0.0.1:80".parse().unwrap()).to_string(), "10.0.0.1:80");
    }
}
