//! To the engine of a data folder, starting one where none runs.

use crate::args::Common;
use anyhow::{Context, Result, bail};
use engine::{
    Client,
    command::{Command, Event, Reply},
    connect::{self, Address},
};
use std::{env, path::PathBuf};

/// The data folder: as said, else as environment or system have it.
pub(crate) fn data_folder(common: &Common) -> Result<PathBuf> {
    check_environment()?;
    Ok(connect::data_folder(common.data.clone())?)
}

/// Wishes that would otherwise be ignored in silence.
fn check_environment() -> Result<()> {
    let known =
        [("RECORDING_FORMAT", "mp4"), ("RECORDING_VIDEO_CODEC", "h264"), ("RECORDING_AUDIO_CODEC", "aac")];
    for (name, can) in known {
        if let Ok(wanted) = env::var(name)
            && !wanted.is_empty()
            && !wanted.eq_ignore_ascii_case(can)
        {
            bail!("{name}={wanted}: recordings are made as {can}; unset it");
        }
    }
    Ok(())
}

fn address(common: &Common) -> Result<Address> {
    // The engine is this program.
    let program = env::current_exe().context("cannot find this program's own file")?;
    Ok(Address { data: data_folder(common)?, program })
}

/// A connection, to an engine that was started if need be.
pub(crate) fn engine(common: &Common) -> Result<Client> {
    Ok(address(common)?.connect()?)
}

/// The same, to an engine that sees the devices that this process would see.
pub(crate) fn recorder(common: &Common) -> Result<Client> {
    Ok(address(common)?.connect_to_recorder()?)
}

/// Asks and waits; events that come meanwhile go to `hear`.
pub(crate) fn ask(client: &mut Client, command: Command, hear: impl FnMut(Event)) -> Result<Reply> {
    Ok(client.ask(command, hear)??)
}

/// Asks and waits, for commands without events.
pub(crate) fn tell(common: &Common, command: Command) -> Result<Reply> {
    ask(&mut engine(common)?, command, drop)
}

/// The engine answered something that does not belong to the question.
pub(crate) fn surprised<T>(reply: &Reply) -> Result<T> {
    bail!("the engine gave an unexpected answer: {reply:?}")
}
