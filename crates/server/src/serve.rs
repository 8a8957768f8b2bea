//! `spool-server serve`: from flags to a server that listens, and in order down again.

use crate::{
    access::AdminToken,
    clock::Clock,
    config::{Config, LogFormat, ServeArgs, reachable, scheme},
    platform, routes,
    state::{App, Server},
    tend,
};
use anyhow::Context;
use axum_server::{
    Handle,
    accept::NoDelayAcceptor,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};
use std::{
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};
use tracing_subscriber::EnvFilter;

/// The file in the data folder that says where the server listens, for those on the same machine.
pub const ADDRESS_FILE: &str = "address";
/// How long requests that are under way may take once the server was told to stop.
const LAST_REQUESTS_MAX: Duration = Duration::from_secs(20);

/// How long a connection may say nothing.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// Requests at once on one connection of HTTP/2.
const STREAMS_MAX: u32 = 256;

/// Serves until it is told to stop.
pub fn run(args: ServeArgs) -> anyhow::Result<()> {
    log(args.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("starting threads")?;
    let listener = TcpListener::bind(args.listen).with_context(|| format!("listening on {}", args.listen))?;
    let address = listener.local_addr().context("listening")?;
    let config = Config::new(&args, address)?;
    let clock = Clock::off_by(args.clock_offset.saturating_mul(1000));
    let app = runtime.block_on(Server::open(config, clock))?;
    let served = runtime.block_on(serve(app.clone(), listener, address));
    // Tasks hold the state too. What remains is the last handle, which closes the database.
    drop(runtime);
    drop(app);
    served
}

/// Requests and faults on stderr; `SPOOL_LOG` (such as `debug`) says how much.
fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_env("SPOOL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match format {
        LogFormat::Text => lines.with_ansi(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}

async fn serve(app: App, listener: TcpListener, address: SocketAddr) -> anyhow::Result<()> {
    listener.set_nonblocking(true).context("listening")?;
    let handle = Handle::new();
    let told = platform::told_to_stop().context("listening for signals")?;
    let stopping = tokio::spawn({
        let (app, handle) = (app.clone(), handle.clone());
        async move {
            told.await;
            tracing::info!("stopping");
            app.stop();
            handle.graceful_shutdown(Some(LAST_REQUESTS_MAX));
        }
    });
    let tls = match &app.config.tls {
        Some((cert, key)) => Some(certificate(cert, key).await?),
        None => None,
    };
    keep_address(&app.config, address)?;
    let tending = tokio::spawn(tend::tend(app.clone()));
    say(&app.config, address, app.access.admin())?;
    let service = routes::router(app.clone())?.into_make_service_with_connect_info::<SocketAddr>();
    let mut server = axum_server::from_tcp(listener).context("listening")?.handle(handle);
    be_patient(server.http_builder());
    let served = match tls {
        Some(tls) => {
            server.acceptor(RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new())).serve(service).await
        }
        None => server.acceptor(NoDelayAcceptor::new()).serve(service).await,
    };
    stopping.abort();
    tending.abort();
    if let Err(error) = app.access.write_uses().await {
        tracing::warn!(%error, "when tokens were used last is lost");
    }
    served.context("serving")
}

async fn certificate(cert: &Path, key: &Path) -> anyhow::Result<RustlsConfig> {
    // Fails only if somebody else has chosen before, which is fine too.
    drop(rustls::crypto::ring::default_provider().install_default());
    let files = || format!("reading {} and {}", cert.display(), key.display());
    RustlsConfig::from_pem_file(cert, key).await.with_context(files)
}

/// Up to a limit: who says nothing keeps no connection.
fn be_patient(connections: &mut Builder<TokioExecutor>) {
    connections.http1().timer(TokioTimer::new()).header_read_timeout(IDLE_MAX);
    connections
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(IDLE_MAX)
        .keep_alive_timeout(IDLE_MAX)
        .max_concurrent_streams(STREAMS_MAX);
}

/// With TLS it is the public address, for which the certificate is.
fn keep_address(config: &Config, address: SocketAddr) -> anyhow::Result<()> {
    let url = match config.tls {
        Some(_) => config.public_url.clone(),
        None => format!("http://{}", reachable(address)),
    };
    let path = config.data.join(ADDRESS_FILE);
    std::fs::write(&path, url + "\n").with_context(|| format!("writing {}", path.display()))
}

/// What scripts wait for, as the first line of stdout; and the admin token when it is new.
fn say(config: &Config, address: SocketAddr, admin: &AdminToken) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let mut write = || {
        writeln!(out, "listening on {}://{address}", scheme(config.tls.is_some()))?;
        if admin.is_new() {
            writeln!(out, "admin token: {}", admin.secret())?;
        }
        out.flush()
    };
    write().context("writing to stdout")
}
