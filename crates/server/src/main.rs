//! `spool-server`: flags and words. Everything else is in the library.

use clap::{Parser, Subcommand};
use spool_server::{
    admin::{self, AdminArgs},
    config::ServeArgs,
    serve,
};
use std::process::ExitCode;

/// The server that Spool's recordings are uploaded to.
#[derive(Debug, Parser)]
#[command(name = "spool-server", version)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve until it is told to stop (SIGTERM, Ctrl-C).
    Serve(Box<ServeArgs>),
    /// Tokens, backups and checks.
    Admin(AdminArgs),
}

fn main() -> ExitCode {
    let outcome = match Args::parse().verb {
        Verb::Serve(args) => serve::run(*args),
        Verb::Admin(args) => admin::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("spool-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}
