//! `spool look`

use crate::{args, args::Common, connect, words};
use anyhow::{Context, Result, bail};
use engine::command::{Command, Reply};
use std::{fs, path::Path};

pub(crate) fn run(common: &Common, flags: &args::Look) -> Result<()> {
    match connect::tell(common, Command::Look { width: flags.width, after: 0 })? {
        Reply::Blob(blob) => {
            write(&flags.output, &blob.bytes)?;
            if common.json {
                words::print_json(&serde_json::json!({ "output": flags.output, "bytes": blob.length }))
            } else {
                words::print(&flags.output.display().to_string())
            }
        }
        Reply::Done => bail!("there is no picture: only sound is recorded, or nothing has been seen yet"),
        reply => connect::surprised(&reply),
    }
}

/// A picture.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
