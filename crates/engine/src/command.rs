//! What shells ask of the engine and what they hear from it: the border towards command line and app.
//!
//! These types go over the local socket, one JSON document a line, wrapped in [`Request`] and [`Message`].

mod reply;
mod upload;

pub use reply::{
    Activity, Blob, Details, Device, Encryption, Exported, Film, FilmTrack, FrameCounts, KeyLine, Mark, Page,
    Permission, RecordingLine, Reply, Segment, Setting, Snapshot, Summary, TrackDetails, TrackStatus, Usage,
    Verified,
};
pub use upload::{
    Account, Pairing, ReceiptLine, Secret, UploadLine, UploadState, UploadStatus, Uploaded, Vouched,
};

use crate::{error::Problem, watch::Alarm};
use model::{Annotation, Hash, Layout, Mode, RecordingId, SessionId, TrackId};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// Version of this protocol. An engine refuses shells of another one, since they come from another installation.
pub const PROTOCOL_VERSION: u32 = 1;

/// Variables by which displays and sound servers are found.
const ENVIRONMENT: [&str; 8] = [
    "DISPLAY",
    "XAUTHORITY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "PIPEWIRE_REMOTE",
    "PULSE_SERVER",
    "PULSE_COOKIE",
];

/// Where this process finds displays and sound servers. An engine keeps what it was started with, so a shell that
/// wants devices of another place needs another engine.
pub fn environment() -> BTreeMap<String, String> {
    ENVIRONMENT.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect()
}

/// Which source a shell wants.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The system's default; none, with a notice, where there is none.
    #[default]
    Default,
    /// None at all.
    Off,
    /// This one; an error where it is not there.
    Id(String),
}

/// Largest picture and most bits that a recording may take. The picture keeps its shape and is never enlarged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Quality {
    /// Largest width in pixels.
    pub width: u32,
    /// Largest height in pixels.
    pub height: u32,
    /// Nominal bits a second of picture; bursts may take twice that.
    pub bitrate: u64,
}

/// What to record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct SessionPlan {
    /// At most 200 characters.
    pub title: String,
    /// At most 2,000 characters.
    pub description: String,
    /// Free keys and values.
    pub metadata: BTreeMap<String, String>,
    /// The screen, monitor, window or region.
    pub screen: Choice,
    /// The camera.
    pub camera: Choice,
    /// What the camera is asked for, as `spool devices` lists it: `1280x720@30` or `1280x720@29.97 MJPG`.
    pub camera_format: Option<String>,
    /// The microphone.
    pub microphone: Choice,
    /// What the speakers play.
    pub system_audio: Choice,
    /// Which tracks of pictures are written.
    pub mode: Mode,
    /// How sources are arranged in the program; as the settings have it where nobody says.
    pub layout: Option<Layout>,
    /// Whether keys are recorded and shown. Passwords are typed too, so this is nobody's default.
    pub keys: bool,
    /// Size and bitrate of the picture.
    pub quality: Quality,
    /// Most pictures a second.
    pub fps: u32,
    /// Length of a chunk in milliseconds.
    pub chunk_ms: u64,
    /// Made-up sources instead of devices.
    pub synthetic: bool,
    /// Ends by itself after this many milliseconds.
    pub stop_after_ms: Option<u64>,
}

/// How sources are arranged from some time of the recording on, as it plays.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Arrangement {
    /// Milliseconds.
    pub t: u64,
    /// The layout.
    pub layout: Layout,
}

/// What to make of a recording. What is left open comes out as it was recorded, without encoding where that can be.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(default)]
pub struct ExportPlan {
    /// Id of a recording or session, or the beginning of one.
    pub id: String,
    /// Where to, absolute. Its ending says what: `mp4`, `m4a`, `webm` or `gif`.
    pub output: PathBuf,
    /// From here, in milliseconds of the recording as it plays; its beginning if not given.
    pub from_ms: Option<u64>,
    /// Up to here, likewise.
    pub to_ms: Option<u64>,
    /// Pictures fit within this many pixels across and down.
    pub size: Option<[u32; 2]>,
    /// At most this many pictures a second.
    pub fps: Option<u32>,
    /// Exactly `fps` pictures a second, or 30 where nobody says.
    pub constant_rate: bool,
    /// What pictures are encoded as: `h264`, `vp9` or `av1`.
    pub codec: Option<String>,
    /// Constant quality as x264 counts it: 0 keeps everything, 51 nothing.
    pub crf: Option<f32>,
    /// This track of pictures alone.
    pub track: Option<String>,
    /// The tracks composed anew, in these layouts; as they were recorded where the list is empty.
    pub composition: Option<Vec<Arrangement>>,
    /// Rather no file than one whose pictures are encoded again.
    pub no_encode: bool,
}

/// Which recordings to list, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(default)]
pub struct Query {
    /// Words that title, description or metadata contain, all of them, whatever their case.
    pub text: String,
    /// In which order.
    pub order: Order,
    /// Those in the trash instead of all others.
    pub trashed: bool,
    /// How many to leave out at the beginning.
    pub offset: u32,
    /// At most this many.
    pub limit: u32,
}

impl Default for Query {
    fn default() -> Self {
        Self { text: String::new(), order: Order::default(), trashed: false, offset: 0, limit: 50 }
    }
}

/// In which order recordings are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// What began last comes first.
    #[default]
    Newest,
    /// What began first comes first.
    Oldest,
    /// What plays longest comes first.
    Longest,
    /// What takes most bytes comes first.
    Largest,
    /// By title, whatever its case.
    Title,
}

/// Everything that a shell may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Begins a session. Answer: [`Reply::Begun`].
    Begin(Box<SessionPlan>),
    /// Stops capturing for a while. Answer: [`Reply::Done`].
    Pause,
    /// Goes on after a pause. Answer: [`Reply::Done`].
    Resume,
    /// Arranges the sources of the running session anew. Answer: [`Reply::Done`].
    Arrange(Layout),
    /// How they are arranged now, or would be in the next session. Answer: [`Reply::Layout`].
    Layout,
    /// Draws on the picture of the running session. Answer: [`Reply::Done`].
    Annotate(Annotation),
    /// Finalizes the session. Answer: [`Reply::Finished`], once all is durable; [`Reply::Done`] where the session has not
    /// begun yet and ends as soon as it does.
    Stop,
    /// Answer: [`Reply::Status`].
    Status,
    /// Answer: [`Reply::Environment`].
    Environment,
    /// From now on the connection carries events too. Answer: [`Reply::Done`].
    Subscribe,
    /// Answer: [`Reply::Devices`].
    Devices {
        /// Made-up sources instead of devices.
        synthetic: bool,
    },
    /// Answer: [`Reply::Permissions`].
    Permissions,
    /// Opens the sources of this plan to be seen ([`Command::Look`]) and heard ([`Snapshot::tracks`]), and writes
    /// nothing. Ends when nobody looks for some seconds, or when a session begins. Answer: [`Reply::Done`].
    Rehearse(Box<SessionPlan>),
    /// Waits up to a second for a picture of what is recorded or rehearsed that is newer than the one of number
    /// `after`. Answer: [`Reply::Blob`] with a JPEG, or [`Reply::Done`] where there is none.
    Look {
        /// Pixels across, at most; the picture keeps its shape.
        width: u32,
        /// The last one seen; zero for any.
        after: u64,
    },
    /// A source that could be recorded, as it looks now. Answer: [`Reply::Blob`] with a JPEG.
    Glance {
        /// As in [`Device::id`].
        device: String,
        /// Pixels across, at most.
        width: u32,
    },
    /// Answer: [`Reply::Recordings`].
    List(Query),
    /// Answer: [`Reply::Details`].
    Show {
        /// Id of a recording or session, or the beginning of one.
        id: String,
    },
    /// Reads every chunk again and compares hashes. Answer: [`Reply::Verified`].
    Verify {
        /// Id of a recording or session, or the beginning of one.
        id: String,
    },
    /// Changes what is given, also while it is being recorded. Answer: [`Reply::Done`].
    Describe {
        /// Id of a recording or session, or the beginning of one.
        id: String,
        /// At most 200 characters.
        title: Option<String>,
        /// At most 2,000 characters.
        description: Option<String>,
        /// Free keys and values, all of them.
        metadata: Option<BTreeMap<String, String>>,
    },
    /// Puts it into the trash, from which it is deleted after the time that the setting `trash-keep` names. Answer:
    /// [`Reply::Done`].
    Trash {
        /// Id of a recording or session, or the beginning of one.
        id: String,
    },
    /// Takes it out of the trash. Answer: [`Reply::Done`].
    Restore {
        /// Id of a recording or session, or the beginning of one.
        id: String,
    },
    /// Marks an instant. Answer: [`Reply::Done`].
    Mark {
        /// Id of a recording or session, or the beginning of one; the running session's if not given.
        id: Option<String>,
        /// As it plays; now, in the running session, if not given.
        at_ms: Option<u64>,
        /// At most 200 characters; may be empty. It replaces that of a mark at the same instant.
        label: String,
    },
    /// Takes a mark away. Answer: [`Reply::Done`].
    Unmark {
        /// Id of a recording or session, or the beginning of one.
        id: String,
        /// As it plays.
        at_ms: u64,
    },
    /// What a player needs. Answer: [`Reply::Film`].
    Film {
        /// Id of a recording or session, or the beginning of one.
        id: String,
    },
    /// An init segment. Answer: [`Reply::Blob`].
    Init {
        /// The session.
        session: SessionId,
        /// The track.
        track: TrackId,
        /// Which.
        hash: Hash,
    },
    /// A chunk, proved to be what was recorded. Answer: [`Reply::Blob`].
    Chunk {
        /// The session.
        session: SessionId,
        /// The track.
        track: TrackId,
        /// Which.
        index: u32,
    },
    /// A picture of a recording. Answer: [`Reply::Blob`] with a JPEG.
    Still {
        /// Id of a recording or session, or the beginning of one.
        id: String,
        /// As it plays. The nearest picture that is cheap to decode will do.
        at_ms: u64,
        /// Pixels across, at most.
        width: u32,
    },
    /// How loud a recording is over its length. Answer: [`Reply::Waveform`].
    Waveform {
        /// Id of a recording or session, or the beginning of one.
        id: String,
        /// How many equal spans, 1 to 4,096.
        spans: u32,
    },
    /// What the library takes. Answer: [`Reply::Usage`].
    Usage,
    /// Writes what helps to find a fault into a file: versions, settings, kinds of devices, sizes, what the engine said.
    /// Nothing that was recorded, no titles, no secrets. Answer: [`Reply::Done`].
    Diagnose {
        /// Where to, absolute; a text.
        output: PathBuf,
    },
    /// The keys that the library needs. Answer: [`Reply::Keys`].
    Keys,
    /// Writes these keys into a new file, for another machine or a bad day. Answer: [`Reply::Keys`].
    SaveKeys {
        /// Where to, absolute.
        output: PathBuf,
    },
    /// Takes in the keys of a file that the library needs; all of them where it has none. Answer: [`Reply::Keys`].
    LoadKeys {
        /// Where from, absolute.
        input: PathBuf,
    },
    /// Makes another key for recordings from now on. Answer: [`Reply::Keys`].
    NewKey,
    /// Deletes it for good. Answer: [`Reply::Deleted`].
    Delete {
        /// Id of a recording or session, or the beginning of one.
        id: String,
    },
    /// Answer: [`Reply::Settings`], one or all of them.
    Settings {
        /// Only this one.
        key: Option<String>,
    },
    /// Answer: [`Reply::Settings`] with the new value.
    Set {
        /// Which setting.
        key: String,
        /// Its new value; none goes back to what it is without anybody's choice.
        value: Option<String>,
    },
    /// Answer: [`Reply::Exported`]; progress comes as events.
    Export(ExportPlan),
    /// Lets this machine in at a server, where recordings go from now on. With a token, the answer is
    /// [`Reply::LoggedIn`]; without one somebody is to agree in a browser: [`Reply::Pairing`], and then
    /// [`Event::LoggedIn`] or [`Event::LoginFailed`].
    Login {
        /// Its address, such as `https://spool.example.org`.
        server: String,
        /// What the server's owner gave out. It is kept in the keychain, or in a file where there is none.
        token: Option<Secret>,
    },
    /// Forgets the server and its secret, and tells the server so if it can be reached; what waited for somebody to
    /// agree does so no longer. Answer: [`Reply::Done`].
    Logout,
    /// Uploads now what waits for it, whatever time it is and whoever paused it. Answer: [`Reply::Done`], at once.
    Sync {
        /// This one alone: id of a recording or session, or the beginning of one. It is uploaded even where the setting
        /// `upload` is `manual`.
        id: Option<String>,
    },
    /// Stops uploads until somebody says otherwise. Answer: [`Reply::Done`].
    UploadPause,
    /// Goes on with uploads. Answer: [`Reply::Done`].
    UploadResume,
    /// Lets the server look at all that it has of a recording again. Answer: [`Reply::Receipt`].
    UploadVerify {
        /// Id of a recording or session, or the beginning of one.
        id: String,
    },
    /// Ends the engine, after finalizing. Answer: [`Reply::Done`].
    Shutdown,
}

impl Command {
    /// Whether the library's list is another one when it is done.
    pub(crate) fn changes_library(&self) -> bool {
        matches!(
            self,
            Self::Describe { .. }
                | Self::Trash { .. }
                | Self::Restore { .. }
                | Self::Mark { .. }
                | Self::Unmark { .. }
                | Self::Delete { .. }
                | Self::LoadKeys { .. }
        )
    }
}

/// What the engine says without being asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The state changed; only the newest matters.
    Changed(Box<Snapshot>),
    /// Something is wrong with a source, or no longer.
    Alarm {
        /// What, with which, and what to do about it.
        #[serde(flatten)]
        alarm: Alarm,
        /// Whether it began or ended.
        raised: bool,
    },
    /// Something that people should know: a device lost or back, a slower picture, little disk left.
    Notice {
        /// Stable, for programs: `source_lost`, `source_returned`, `slower`, `faster`, `disk_low` and so on.
        code: String,
        /// The track that it concerns.
        track: Option<String>,
        /// For people.
        message: String,
    },
    /// A session ended.
    Finished(Summary),
    /// A session that was cut off, by a crash or a power cut, was found and closed as it is.
    Recovered {
        /// The recording that it belongs to.
        recording: RecordingId,
        /// Its title.
        title: String,
        /// At most this much is missing at its end.
        lost_ms: u64,
    },
    /// An export moved on.
    Progress {
        /// The file that is being made.
        output: PathBuf,
        /// From 0 to 1.
        share: f32,
    },
    /// Somebody let this machine in at a server.
    LoggedIn(Account),
    /// Nobody did, or it came to nothing.
    LoginFailed {
        /// The server's address.
        server: String,
        /// Why.
        problem: Problem,
    },
    /// All of a recording is at the server.
    Uploaded {
        /// The recording.
        recording: RecordingId,
        /// Its title.
        title: String,
        /// What the server said.
        receipt: ReceiptLine,
    },
}

/// What a shell sends: one a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// [`PROTOCOL_VERSION`].
    pub v: u32,
    /// Comes back with the answer.
    pub id: u64,
    /// What to do.
    pub command: Command,
}

/// What a shell receives: one a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The answer to the request of this id.
    Reply {
        /// The request's.
        id: u64,
        /// The answer.
        reply: Reply,
    },
    /// The request of this id was refused, or failed.
    Error {
        /// The request's; zero where it could not be read.
        id: u64,
        /// Why.
        problem: Problem,
    },
    /// Something happened.
    Event(Event),
}
