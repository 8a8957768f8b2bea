//! `spool engine`: the process that records.

use crate::{args::Common, connect};
use anyhow::{Context, Result};
use engine::{Engine, Server, command::Command};
use std::{ops::ControlFlow, thread};
use tracing_subscriber::EnvFilter;

pub(crate) fn run(common: &Common) -> Result<()> {
    let filter = EnvFilter::try_from_env("SPOOL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        // The log lies on the disk that may be full. Saying that it cannot be written, to the same place, panics.
        .log_internal_errors(false)
        .init();
    engine::detach();
    let data = connect::data_folder(common)?;
    let (engine, running, recovered) = Engine::start(&data)?;
    for session in &recovered.sessions {
        tracing::warn!(session = %session.session, lost = ?session.lost, "recovered after a crash");
    }
    for session in &recovered.locked {
        tracing::warn!(%session, "was cut off, and is put in order once its key is here");
    }
    // Only now: whoever can connect finds an engine that answers.
    Server::bind(&data)?.serve(engine.clone())?;
    on_signal(engine)?;
    tracing::info!(data = %data.display(), "listening");
    running.wait();
    Ok(())
}

/// SIGTERM, SIGINT and SIGHUP finalize what is being recorded, then end the engine.
fn on_signal(engine: Engine) -> Result<()> {
    ctrlc::set_handler(move || {
        let engine = engine.clone();
        // The handler must return for a second signal to be seen.
        thread::spawn(move || engine.handle(Command::Shutdown, &mut |_| ControlFlow::Continue(())));
    })
    .context("cannot listen for signals")
}
