//! What can be said on the command line.

use clap::{Parser, Subcommand};
use engine::settings::{parse_address, parse_chunk, parse_duration, parse_fps, parse_mode, parse_preset};
use engine::{
    command::{Order, Quality},
    model::{Color, Mode, Point},
};
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
    /// Lists screens, windows, cameras, microphones and speakers that can be recorded.
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
    /// Makes a picture of what is recorded now.
    Look(Look),
    /// Draws on the picture while it is recorded. Points are pixels of the screen, window or region.
    #[command(subcommand)]
    Annotate(Annotate),
    /// Shows how sources are arranged, or arranges them anew while recording: `spool layout camera-place=top-left`.
    Layout(Layout),
    /// Lists recordings, newest first unless asked otherwise, or searches them.
    List(List),
    /// Shows one recording.
    Show(Id),
    /// Reads every chunk of a recording again and compares hashes: here, or at the server.
    Verify(Verify),
    /// Gives a recording another title, description or metadata, also while it is recorded.
    Rename(Rename),
    /// Puts a recording into the trash, from which it is deleted after the time that the setting trash-keep says.
    Trash(Id),
    /// Takes a recording out of the trash: `spool list --trash` shows what is there.
    Restore(Id),
    /// Marks an instant, to find it again: `spool mark "the demo"` while recording, `spool mark --at 12.5s "the demo"
    /// last` afterwards.
    Mark(Mark),
    /// Takes a mark away.
    Unmark(Unmark),
    /// Deletes a recording for good.
    Delete(Id),
    /// Shows what recordings take, and what is left.
    Usage,
    /// Shows or changes settings: `spool config`, `spool config fps`, `spool config fps=60`, `spool config fps=`.
    Config(Config),
    /// Shows, saves and loads the key of encrypted recordings (`spool config encryption=on`). Without it they are lost.
    #[command(subcommand)]
    Key(Key),
    /// Makes an ordinary file of a recording: as it was recorded without encoding, or as asked for.
    Export(Box<Export>),
    /// Lets this machine in at a server, where recordings go from now on.
    Login(Login),
    /// Forgets the server.
    Logout,
    /// Uploads what waits for it now, and shows how far it is.
    Sync(Sync),
    /// Writes what helps to find a fault into a text: versions, settings, logs. Nothing recorded, no titles, no secrets.
    Diagnose(Diagnose),
    /// Runs the engine in the foreground; other commands start it by themselves.
    Engine,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Devices {
    /// Made-up sources instead of devices.
    #[arg(long)]
    pub(crate) synthetic: bool,
    /// Puts a JPEG of each screen, window and camera into this folder, as it looks now.
    #[arg(long, value_name = "DIR")]
    pub(crate) pictures: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Look {
    /// Where to, as JPEG.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Pixels across, at most; 64 to 1920 make sense.
    #[arg(long, default_value_t = 1280)]
    pub(crate) width: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Record {
    /// Ends by itself after this time.
    #[arg(long = "for", value_name = "10s", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// A screen or monitor of `spool devices`.
    #[arg(long, value_name = "ID", env = "SPOOL_SCREEN")]
    pub(crate) screen: Option<String>,
    /// A window of `spool devices`.
    #[arg(long, value_name = "ID", conflicts_with_all = ["screen", "region"])]
    pub(crate) window: Option<String>,
    /// A part of the screen: left and top, width and height in pixels.
    #[arg(long, value_name = "X,Y,WxH", conflicts_with = "screen")]
    pub(crate) region: Option<String>,
    /// No screen: a camera, or sound alone.
    #[arg(long, conflicts_with_all = ["screen", "window", "region"])]
    pub(crate) no_screen: bool,
    /// A camera: the default one, or an id of `spool devices`.
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "default", env = "SPOOL_CAMERA")]
    pub(crate) camera: Option<String>,
    /// What the camera is asked for: a format of `spool devices`, such as 1280x720@29.97.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) camera_format: Option<String>,
    /// One composited picture (program), every source as it is (tracks), or both.
    #[arg(long, value_parser = parse_mode, env = "SPOOL_MODE")]
    pub(crate) mode: Option<Mode>,
    /// Records and shows the keys that are pressed, passwords too.
    #[arg(long)]
    pub(crate) keys: bool,
    /// A microphone of `spool devices`, or `default`.
    #[arg(long, value_name = "ID", env = "SPOOL_MIC")]
    pub(crate) mic: Option<String>,
    /// No microphone.
    #[arg(long, conflicts_with = "mic")]
    pub(crate) no_mic: bool,
    /// What the speakers play: of the default ones, or of an id of `spool devices`.
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "default", env = "SPOOL_SYSTEM_AUDIO")]
    pub(crate) system_audio: Option<String>,
    /// Largest picture: 480p, 720p, 1080p, 1440p or 2160p.
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
    /// Uploads it to this server; SPOOL_TOKEN lets this machine in if it is not yet.
    #[arg(long, value_name = "URL", value_parser = parse_address)]
    pub(crate) server: Option<String>,
    /// Made-up sources instead of devices: a moving pattern with frame codes, a flash and a beep each second.
    #[arg(long)]
    pub(crate) synthetic: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Layout {
    /// Parts of the layout and their new values, by the names that `spool layout` shows.
    #[arg(value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub(crate) changes: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Annotate {
    /// A line through all points.
    Pen(Stroke),
    /// A broad line through all points that can be seen through.
    Highlighter(Stroke),
    /// A straight line.
    Line(TwoPoints),
    /// A straight line with a head at its end.
    Arrow(TwoPoints),
    /// A rectangle between two corners.
    Rectangle(TwoPoints),
    /// An ellipse within the rectangle between two corners.
    Ellipse(TwoPoints),
    /// Words, their top left at the point.
    Text {
        #[arg(value_name = "X,Y", value_parser = parse_point)]
        at: Point,
        text: String,
        #[command(flatten)]
        pencil: Pencil,
    },
    /// Removes what was drawn near the points.
    Erase {
        #[arg(value_name = "X,Y", required = true, value_parser = parse_point)]
        points: Vec<Point>,
        /// How near, in pixels.
        #[arg(long, default_value_t = 20)]
        radius: u32,
    },
    /// Removes what was drawn last.
    Undo,
    /// Removes all that was drawn.
    Clear,
}

/// What goes from one point to another.
#[derive(Debug, clap::Args)]
pub(crate) struct TwoPoints {
    #[arg(value_name = "X,Y", value_parser = parse_point)]
    pub(crate) from: Point,
    #[arg(value_name = "X,Y", value_parser = parse_point)]
    pub(crate) to: Point,
    #[command(flatten)]
    pub(crate) pencil: Pencil,
}

/// What goes through all points.
#[derive(Debug, clap::Args)]
pub(crate) struct Stroke {
    #[arg(value_name = "X,Y", required = true, value_parser = parse_point)]
    pub(crate) points: Vec<Point>,
    #[command(flatten)]
    pub(crate) pencil: Pencil,
}

/// With what something is drawn.
#[derive(Debug, clap::Args)]
pub(crate) struct Pencil {
    /// A colour: red, orange, yellow, green, blue, purple, black, white, or #rrggbb.
    #[arg(long, default_value = "red", value_parser = parse_color)]
    pub(crate) color: Color,
    /// Width of the line, or height of the letters, in pixels.
    #[arg(long)]
    pub(crate) width: Option<u32>,
    /// Fades out after this time.
    #[arg(long, value_name = "3s", value_parser = parse_duration)]
    pub(crate) fade: Option<Duration>,
    /// Replaces the drawing with this id.
    #[arg(long)]
    pub(crate) id: Option<u64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only those whose title, description or metadata contain all of these words, whatever their case.
    #[arg(long, value_name = "WORDS", default_value = "")]
    pub(crate) search: String,
    /// What comes first: the newest, oldest, longest or largest, or by title.
    #[arg(long, default_value = "newest", value_parser = parse_order)]
    pub(crate) order: Order,
    /// What lies in the trash instead.
    #[arg(long)]
    pub(crate) trash: bool,
    /// At most this many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// Leaves out this many at the beginning.
    #[arg(long, default_value_t = 0)]
    pub(crate) offset: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// Id of a recording, or its beginning; `last` is the newest.
    pub(crate) id: String,
    /// What the server has of it, instead of what is here.
    #[arg(long)]
    pub(crate) at_server: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Login {
    /// Its address, such as https://spool.example.org.
    #[arg(value_name = "URL", value_parser = parse_address)]
    pub(crate) server: String,
    /// What the server's owner gave out; without it, somebody lets this machine in by a browser.
    #[arg(long, value_name = "TOKEN", env = "SPOOL_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Sync {
    /// This recording alone, and first: its id, or the beginning of it; `last` is the newest.
    pub(crate) id: Option<String>,
    /// Ends when all is at the server, or says what is in the way. Else it goes on until Ctrl-C; uploads go on by
    /// themselves either way.
    #[arg(long)]
    pub(crate) once: bool,
    /// With --once: gives up after nothing has moved for so long.
    #[arg(long, value_name = "60s", default_value = "60s", value_parser = parse_duration, requires = "once")]
    pub(crate) patience: Duration,
    /// The server, if it is not the one that this machine is logged in at; SPOOL_TOKEN lets it in.
    #[arg(long, value_name = "URL", value_parser = parse_address)]
    pub(crate) server: Option<String>,
    /// Stops uploads until the next `spool sync`.
    #[arg(long, conflicts_with_all = ["once", "id"])]
    pub(crate) pause: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rename {
    /// Id of a recording, or its beginning; `last` is the newest.
    pub(crate) id: String,
    /// At most 200 characters.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// At most 2,000 characters.
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// A key and its value, besides those that there are; with nothing behind the `=` the key goes. May be repeated.
    #[arg(long, value_name = "K=V", value_parser = parse_pair)]
    pub(crate) meta: Vec<(String, String)>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Mark {
    /// At most 200 characters.
    #[arg(default_value = "")]
    pub(crate) label: String,
    /// Id of a recording, or its beginning, or `last`; what is recorded now if not given.
    pub(crate) id: Option<String>,
    /// The instant, in time as it plays; now if not given.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) at: Option<Duration>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Unmark {
    /// Id of a recording, or its beginning; `last` is the newest.
    pub(crate) id: String,
    /// The mark's instant, as `spool show` says it.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) at: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Diagnose {
    /// Where to; a text.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
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

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Which keys recordings need, and where they are kept. Never the keys themselves.
    Show,
    /// Writes the key into a new file that only you can read: for another machine, or a bad day.
    Save {
        /// Where to.
        file: PathBuf,
    },
    /// Takes in the key of a file that was saved.
    Load {
        /// Where from.
        file: PathBuf,
    },
    /// Makes another key for recordings from now on. What is there keeps the one that it has.
    New,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// Id of a recording, or its beginning; `last` is the newest.
    pub(crate) id: String,
    /// Where to; ends in .mp4, .m4a (sound alone), .webm or .gif (pictures alone).
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// From here, in time as it plays.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) from: Option<Duration>,
    /// Up to here.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) to: Option<Duration>,
    /// Pictures fit within this; they keep their shape and are never enlarged.
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    pub(crate) size: Option<[u32; 2]>,
    /// At most so many pictures a second.
    #[arg(long)]
    pub(crate) fps: Option<u32>,
    /// Exactly --fps pictures a second, or 30, whatever changed.
    #[arg(long)]
    pub(crate) constant_rate: bool,
    /// What pictures are encoded as: h264, vp9 or av1.
    #[arg(long)]
    pub(crate) codec: Option<String>,
    /// Quality, 0 (keeps everything) to 51.
    #[arg(long)]
    pub(crate) crf: Option<f32>,
    /// One track of pictures alone: program, screen or camera.
    #[arg(long, conflicts_with = "composition")]
    pub(crate) track: Option<String>,
    /// Composes the tracks anew. The file is JSON: [{"t": 0, "layout": {…}}, …], t in milliseconds, a layout as
    /// `spool layout --json` shows it.
    #[arg(long, value_name = "FILE")]
    pub(crate) composition: Option<PathBuf>,
    /// Rather no file than one whose pictures are encoded again.
    #[arg(long)]
    pub(crate) no_encode: bool,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (key, value) =
        text.split_once('=').ok_or_else(|| format!("{text:?} is not of the form key=value"))?;
    if key.is_empty() { Err("the key is empty".to_owned()) } else { Ok((key.to_owned(), value.to_owned())) }
}

fn parse_order(text: &str) -> Result<Order, String> {
    match text {
        "newest" => Ok(Order::Newest),
        "oldest" => Ok(Order::Oldest),
        "longest" => Ok(Order::Longest),
        "largest" => Ok(Order::Largest),
        "title" => Ok(Order::Title),
        _ => Err(format!("{text:?} is not one of newest, oldest, longest, largest, title")),
    }
}

fn parse_size(text: &str) -> Result<[u32; 2], String> {
    let side = |text: &str| text.parse().ok();
    let size = text.split_once('x').and_then(|(width, height)| Some([side(width)?, side(height)?]));
    size.ok_or_else(|| format!("{text:?} is not a size such as 1280x720"))
}

fn parse_point(text: &str) -> Result<Point, String> {
    let wrong = || format!("{text:?} is not a point such as 200,150");
    let (x, y) = text.split_once(',').ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse().map_err(|_| wrong());
    Ok(Point { x: number(x)?, y: number(y)? })
}

fn parse_color(text: &str) -> Result<Color, String> {
    let named = match text {
        "red" => Some((0xe5, 0x39, 0x35)),
        "orange" => Some((0xfb, 0x8c, 0x00)),
        "yellow" => Some((0xfd, 0xd8, 0x35)),
        "green" => Some((0x43, 0xa0, 0x47)),
        "blue" => Some((0x1e, 0x88, 0xe5)),
        "purple" => Some((0x8e, 0x24, 0xaa)),
        "black" => Some((0, 0, 0)),
        "white" => Some((255, 255, 255)),
        _ => None,
    };
    let hex = || {
        let digits =
            text.strip_prefix('#').filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        let digits = Some(digits).filter(|digits| digits.len() == 6)?;
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
        Some((byte(0)?, byte(2)?, byte(4)?))
    };
    let (red, green, blue) =
        named.or_else(hex).ok_or_else(|| format!("{text:?} is neither a colour's name nor #rrggbb"))?;
    Ok(Color::new(red, green, blue))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Args::command().debug_assert();
    }

    #[test]
    fn points_and_colours_are_read_as_people_write_them() {
        assert_eq!(parse_point("-5, 12"), Ok(Point { x: -5, y: 12 }));
        assert_eq!(parse_color("#Ff8000"), Ok(Color::new(255, 128, 0)));
        for wrong in ["", "#12345", "#+1+2+3", "#ää12", "reddish"] {
            assert!(parse_color(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "5", "5,", "1,2,3", "a,b", "99999999999,0"] {
            assert!(parse_point(wrong).is_err(), "{wrong}");
        }
    }
}
