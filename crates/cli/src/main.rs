//! The command line: one file a command, each one call to the engine, which is started where none runs.
//!
//! Owns: flags, words for people, exit codes. Decides nothing. Tested end to end in `tests/`.

mod annotate;
mod args;
mod config;
mod connect;
mod devices;
mod diagnose;
mod engine_process;
mod export;
mod key;
mod layout;
mod library;
mod login;
mod look;
mod mark;
mod record;
mod session;
mod show;
mod sync;
mod words;

use args::{Args, Verb};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.verb {
        Verb::Devices(flags) => devices::run(&args.common, flags),
        Verb::Record(flags) => record::run(&args.common, flags),
        Verb::Stop => session::stop(&args.common),
        Verb::Pause => session::pause(&args.common),
        Verb::Resume => session::resume(&args.common),
        Verb::Status => session::status(&args.common),
        Verb::Look(flags) => look::run(&args.common, flags),
        Verb::Annotate(flags) => annotate::run(&args.common, flags),
        Verb::Layout(flags) => layout::run(&args.common, flags),
        Verb::List(flags) => library::list(&args.common, flags),
        Verb::Show(flags) => show::run(&args.common, flags),
        Verb::Verify(flags) => library::verify(&args.common, flags),
        Verb::Rename(flags) => library::rename(&args.common, flags),
        Verb::Trash(flags) => library::trash(&args.common, flags),
        Verb::Restore(flags) => library::restore(&args.common, flags),
        Verb::Mark(flags) => mark::add(&args.common, flags),
        Verb::Unmark(flags) => mark::remove(&args.common, flags),
        Verb::Usage => library::usage(&args.common),
        Verb::Key(verb) => key::run(&args.common, verb),
        Verb::Diagnose(flags) => diagnose::run(&args.common, flags),
        Verb::Delete(flags) => library::delete(&args.common, flags),
        Verb::Config(flags) => config::run(&args.common, flags),
        Verb::Export(flags) => export::run(&args.common, flags),
        Verb::Login(flags) => login::run(&args.common, flags),
        Verb::Logout => login::logout(&args.common),
        Verb::Sync(flags) => sync::run(&args.common, flags),
        Verb::Engine => engine_process::run(&args.common),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("spool: {error:#}");
            ExitCode::FAILURE
        }
    }
}
