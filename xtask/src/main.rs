//! Everything a developer runs: `cargo xtask setup | run | test | package | bench | soak | fuzz | bindings`.
//!
//! Owns: what a machine needs, and how the product is built, tried and measured. Never a part of the product. It
//! stands on the standard library alone, so that it builds on a machine with nothing but Rust. Tested by every
//! newcomer and every CI run.

mod bench;
mod front;
mod fuzz;
mod package;
mod python;
mod run;
mod setup;
mod sh;
mod soak;
mod stage;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask setup     installs what building, testing and measuring need
cargo xtask run       starts the app; `run record` records ten seconds of this display, or of a virtual one where there
                      is none, and prints the file
cargo xtask test      everything that CI checks
cargo xtask package   builds what people install into target/package, usually deb and rpm: `package [KIND...]`;
                      `package debug` packs the programs that the tests have built
cargo xtask bench     measures recording, its stages and export beside the peers, and the app beside the command
                      line; `bench record`, `bench stages`, `bench export` or `bench app` for one
cargo xtask soak      an hour of recording, 24 simulated ones, five hundred kills, thousands of simulated crashes, power
                      cuts on a real file system; `soak hour`, `soak day` or `soak crashes` for one
cargo xtask fuzz      feeds nonsense to all that reads bytes: `fuzz [TARGET] [SECONDS]`, `fuzz short` as CI does it;
                      `fuzz seeds` writes what it begins with
cargo xtask bindings  writes what the front end knows of the Rust types

Each sets up what it needs by itself and may be repeated.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["setup"] => setup::all(),
        ["run"] => run::app(),
        ["run", "record"] => run::record(),
        ["bindings"] => test::write_bindings(),
        ["test"] => test::run(),
        ["package", ref words @ ..] => package::run(words),
        ["bench"] => bench::run(&["record", "stages", "export", "app", "upload", "server"]),
        ["bench", which @ ("record" | "stages" | "export" | "app" | "upload" | "server")] => {
            bench::run(&[which])
        }
        ["soak"] => soak::run(&soak::ALL),
        ["soak", "hour"] => soak::run(&[soak::Ordeal::Hour]),
        ["soak", "day"] => soak::run(&[soak::Ordeal::Day]),
        ["soak", "crashes"] => soak::run(&[soak::Ordeal::Crashes]),
        ["fuzz", "seeds"] => fuzz::seeds(),
        ["fuzz", "short"] => fuzz::short(),
        ["fuzz", ref words @ ..] => fuzz::long(words),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(sh::Failure(format!("there is no such command\n\n{USAGE}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
