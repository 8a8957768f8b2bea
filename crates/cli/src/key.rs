//! `spool key show`, `save`, `load`, `new`

use crate::{args, args::Common, connect, words};
use anyhow::{Context, Result};
use engine::command::{Command, KeyLine, Reply};
use std::path;

pub(crate) fn run(common: &Common, verb: &args::Key) -> Result<()> {
    let (command, done) = match verb {
        args::Key::Show => (Command::Keys, None),
        args::Key::New => {
            (Command::NewKey, Some("Made a key for recordings from now on; keep a copy of it.".to_owned()))
        }
        args::Key::Save { file } => {
            let output = absolute(file)?;
            let done = format!("Wrote {}. Whoever has it can read what is encrypted.", output.display());
            (Command::SaveKeys { output }, Some(done))
        }
        args::Key::Load { file } => {
            let input = absolute(file)?;
            (Command::LoadKeys { input }, Some("The key is here.".to_owned()))
        }
    };
    let reply = connect::tell(common, command)?;
    let Reply::Keys(keys) = reply else { return connect::surprised(&reply) };
    if common.json {
        return words::print_json(&keys);
    }
    if let Some(done) = done {
        words::print(&done)?;
    }
    if keys.is_empty() {
        return words::print("No key: nothing is encrypted. `spool config encryption=on` changes that.");
    }
    keys.iter().try_for_each(print)
}

/// The engine may be somewhere else.
fn absolute(file: &path::Path) -> Result<path::PathBuf> {
    path::absolute(file).context("cannot tell where that file is")
}

fn print(key: &KeyLine) -> Result<()> {
    let place = match (key.kept.as_str(), &key.path) {
        ("keychain", _) => "in the keychain".to_owned(),
        (_, Some(path)) => format!("in {}", path.display()),
        _ => "NOT HERE: unlock the keychain, or load it with `spool key load FILE`".to_owned(),
    };
    let current = if key.current { "  for new recordings" } else { "" };
    let recordings = if key.recordings == 1 { "recording" } else { "recordings" };
    words::print(&format!("{}  {} {recordings}{current}  {place}", key.id, key.recordings))
}
