//! What can be said on the command line.

use clap::{Parser, Subcommand};
use engine::settings::{parse_chunk, parse_duration, parse_fps, parse_preset};
use engine::{command::Quality, model::SessionId};
use std::{path::PathBuf, time::Duration};

const NOTICE: &str = "\
Sources are MIT OR Apache-2.0. This program links FFmpeg with x264 and is therefore under the GNU GPL, version 2 or \
later, as a whole.";

/// The recorder that loses nothing.
#[derive(Debug, Parser)]
#[command(name = "spool", version, after_help = NOTICE)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every command understands.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// The data folder.
    #[arg(long, global = true, env = "SPOOL_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Answers as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Lists screens, microphones and speakers that can be recorded.
    Devices(Devices),
    /// Records until Ctrl-C, `spool stop`, or the time given.
    Record(Box<Record>),
    /// Ends the recording and waits until all of it is safe on disk.
    Stop,
    /// Stops capturing for a while.
    Pause,
    /// Goes on after a pause.
    Resume,
    /// Shows what the engine does now.
    Status,
    /// Lists recordings, newest first.
    List(List),
    /// Shows one recording.
    Show(Id),
    /// Reads every chunk of a recording again and compares hashes.
    Verify(Id),
    /// Deletes a recording.
    Delete(Id),
    /// Shows or changes settings: `spool config`, `spool config fps`, `spool config fps=60`, `spool config fps=`.
    Config(Config),
    /// Makes an ordinary file of a recording, without encoding it again.
    Export(Export),
    /// Runs the engine in the foreground; other commands start it by themselves.
    Engine,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Devices {
    /// Made-up sources instead of devices.
    #[arg(long)]
    pub(crate) synthetic: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Record {
    /// Ends by itself after this time.
    #[arg(long = "for", value_name = "10s", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// A screen or monitor of `spool devices`.
    #[arg(long, value_name = "ID", env = "SPOOL_SCREEN")]
    pub(crate) screen: Option<String>,
    /// Sound alone.
    #[arg(long, conflicts_with = "screen")]
    pub(crate) no_screen: bool,
    /// A microphone of `spool devices`, or `default`.
    #[arg(long, value_name = "ID", env = "SPOOL_MIC")]
    pub(crate) mic: Option<String>,
    /// No microphone.
    #[arg(long, conflicts_with = "mic")]
    pub(crate) no_mic: bool,
    /// What the speakers play: of the default ones, or of an id of `spool devices`.
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "default", env = "SPOOL_SYSTEM_AUDIO")]
    pub(crate) system_audio: Option<String>,
    /// Largest picture: 480p, 720p or 1080p.
    #[arg(long, value_parser = parse_preset, env = "SPOOL_PRESET")]
    pub(crate) preset: Option<Quality>,
    /// Most pictures a second: 24, 30 or 60. Fewer where little changes.
    #[arg(long, value_parser = parse_fps, env = "SPOOL_FPS")]
    pub(crate) fps: Option<u32>,
    /// Length of a chunk, 2s to 10s.
    #[arg(long, value_parser = parse_chunk, env = "SPOOL_CHUNK")]
    pub(crate) chunk: Option<Duration>,
    /// At most 200 characters.
    #[arg(long, default_value = "")]
    pub(crate) title: String,
    /// At most 2,000 characters.
    #[arg(long, default_value = "")]
    pub(crate) description: String,
    /// Free keys and values; may be repeated.
    #[arg(long, value_name = "K=V", value_parser = parse_pair)]
    pub(crate) meta: Vec<(String, String)>,
    /// Made-up sources instead of devices: a moving pattern with frame codes, a flash and a beep each second.
    #[arg(long)]
    pub(crate) synthetic: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// At most this many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// Only those older than this session.
    #[arg(long, value_name = "SESSION")]
    pub(crate) before: Option<SessionId>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Id {
    /// Id of a recording, or its beginning; `last` is the newest.
    pub(crate) id: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Config {
    /// A setting, perhaps with its new value; nothing behind the `=` takes the choice back.
    #[arg(value_name = "KEY[=VALUE]")]
    pub(crate) setting: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// Id of a recording, or its beginning; `last` is the newest.
    pub(crate) id: String,
    /// Where to; ends in .mp4 or .m4a.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// From here, in time as it plays.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) from: Option<Duration>,
    /// Up to here.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) to: Option<Duration>,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (key, value) =
        text.split_once('=').ok_or_else(|| format!("{text:?} is not of the form key=value"))?;
    if key.is_empty() { Err("the key is empty".to_owned()) } else { Ok((key.to_owned(), value.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Args::command().debug_assert();
    }
}
