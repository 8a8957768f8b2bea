//! What recording and export cost, beside what the peers cost for the same, in one run.
//!
//! Owns: the contents that are shown, the peers' command lines, what is counted and how it is told. Never looks into
//! the product: it runs the released program and reads what the kernel counted; but for `stages`, which puts the
//! product's own parts together to measure each by itself. The only proof of it is to run it: `cargo xtask bench`.

mod app;
mod clip;
mod content;
mod export;
mod hotkey;
mod http;
mod latency;
mod line;
mod meter;
mod quality;
mod record;
mod rig;
mod server;
mod stages;
mod table;
mod ten_minutes;
mod upload;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["record"] => {
            record::run()?;
            latency::run()
        }
        ["app"] => {
            app::run()?;
            hotkey::run()
        }
        ["hotkey"] => hotkey::run(),
        ["export"] => export::run(),
        ["stages"] => stages::run(),
        ["server"] => server::run(),
        ["upload"] => upload::run(),
        // What `stages` runs in surroundings of its own.
        ["line", seconds] => line::run(seconds.parse()?, false),
        ["line", seconds, "camera"] => line::run(seconds.parse()?, true),
        _ => bail!("spool-benches record | app | hotkey | export | stages | server | upload"),
    }
}
