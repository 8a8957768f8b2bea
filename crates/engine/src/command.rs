//! What shells ask of the engine and what they hear from it: the border towards command line and app.
//!
//! These types go over the local socket, one JSON document a line, wrapped in [`Request`] and [`Message`].

use crate::{error::Problem, watch::Alarm};
use model::{Annotation, Gap, Layout, Mode, RecordingId, SelfCheck, SessionId, SessionState, TrackKind};
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
pub struct Arrangement {
    /// Milliseconds.
    pub t: u64,
    /// The layout.
    pub layout: Layout,
}

/// What to make of a recording. What is left open comes out as it was recorded, without encoding where that can be.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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

/// Everything that a shell may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Newest first. Answer: [`Reply::Recordings`].
    List {
        /// At most this many.
        limit: u32,
        /// Only sessions older than this one.
        before: Option<SessionId>,
    },
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
    /// Answer: [`Reply::Deleted`].
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
    /// Ends the engine, after finalizing. Answer: [`Reply::Done`].
    Shutdown,
}

/// Everything that is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It was done, and there is no more to say.
    Done,
    /// A session runs.
    Begun {
        /// Its id.
        session: SessionId,
        /// The recording that it belongs to.
        recording: RecordingId,
        /// What was not as wished, for people.
        notices: Vec<String>,
    },
    /// A session ended in order.
    Finished(Summary),
    /// What the engine does now.
    Status(Box<Snapshot>),
    /// The variables by which the engine finds displays and sound servers, as it was started with.
    Environment(BTreeMap<String, String>),
    /// How sources are arranged.
    Layout(Layout),
    /// What could be recorded.
    Devices(Vec<Device>),
    /// What may be recorded.
    Permissions(Vec<Permission>),
    /// A page of the library.
    Recordings(Vec<RecordingLine>),
    /// One recording.
    Details(Box<Details>),
    /// What reading everything again found.
    Verified(Verified),
    /// How many bytes became free.
    Deleted {
        /// Bytes.
        bytes: u64,
    },
    /// Keys and values in force.
    Settings(Vec<Setting>),
    /// The file is there.
    Exported(Exported),
}

/// Something that can be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Stays the same from run to run.
    pub id: String,
    /// `screen`, `window`, `camera`, `microphone` or `system_audio`.
    pub kind: String,
    /// For people.
    pub name: String,
    /// Whether it is what is taken without a choice.
    pub is_default: bool,
    /// Pixels across and down, of what has pictures.
    pub size: Option<[u32; 2]>,
    /// What a camera can be asked for, best first: `1280x720@30 MJPG`.
    #[serde(default)]
    pub formats: Vec<String>,
}

/// Whether a kind of source may be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// As in [`Device::kind`].
    pub kind: String,
    /// `granted`, `denied`, `not_asked` or `restricted`.
    pub state: String,
    /// What to do about it, as a sentence; empty where there is nothing to do.
    pub advice: String,
}

/// How pictures fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FrameCounts {
    /// Pictures that differed from the one before.
    pub captured: u64,
    /// Pictures encoded, repeats of a still one included.
    pub encoded: u64,
    /// Looks at the source that found nothing new.
    pub unchanged: u64,
    /// Pictures that came too fast to be encoded.
    pub dropped: u64,
}

/// A track of the running session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackStatus {
    /// Its name.
    pub track: String,
    /// What it carries.
    pub kind: TrackKind,
    /// Its source, for people.
    pub label: String,
    /// Sealed chunks.
    pub chunks: u32,
    /// Loudest sample of the last moments in dB of full scale, where it is sound.
    pub peak_db: Option<f32>,
    /// Pictures encoded in the last second, where it is pictures.
    #[serde(default)]
    pub fps: Option<f32>,
    /// Why nothing comes from its source now.
    pub trouble: Option<String>,
}

/// What the engine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Nothing.
    #[default]
    Idle,
    /// Recording.
    Recording,
    /// In a pause.
    Paused,
    /// Writing the last pieces.
    Stopping,
}

/// The engine at one instant.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// What it is doing.
    pub activity: Activity,
    /// The running session.
    pub session: Option<SessionId>,
    /// The recording that it belongs to.
    pub recording: Option<RecordingId>,
    /// Its title.
    pub title: String,
    /// Recorded time, pauses not counted.
    pub elapsed_ms: u64,
    /// Pictures encoded in the last second.
    pub fps: f32,
    /// Most pictures a second that are tried for now: lower than planned while the machine is too slow.
    pub fps_ceiling: f32,
    /// How pictures fared so far.
    pub frames: FrameCounts,
    /// Bytes written so far.
    pub bytes: u64,
    /// Bits a second, lately.
    pub bitrate: u64,
    /// Each track.
    pub tracks: Vec<TrackStatus>,
    /// What is wrong with sources now.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
    /// Bytes free for data.
    pub disk_free: u64,
    /// What people should know now.
    pub notices: Vec<String>,
}

/// A session that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Its id.
    pub session: SessionId,
    /// The recording that it belongs to.
    pub recording: RecordingId,
    /// As it plays, pauses left out.
    pub duration_ms: u64,
    /// Of all tracks.
    pub bytes: u64,
    /// How pictures fared.
    pub frames: FrameCounts,
    /// Its tracks' names.
    pub tracks: Vec<String>,
    /// What is missing, in milliseconds over all gaps that nobody asked for.
    pub lost_ms: u64,
    /// Why it ended, where nobody asked for it.
    pub reason: Option<String>,
}

/// A recording as the library's list shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingLine {
    /// Its id.
    pub recording: RecordingId,
    /// Its session here.
    pub session: SessionId,
    /// For people.
    pub title: String,
    /// Milliseconds since 1970.
    pub started_at: i64,
    /// As it plays.
    pub duration_ms: u64,
    /// Of all tracks.
    pub bytes: u64,
    /// How far it came.
    pub state: SessionState,
    /// After a crash: at most this much is missing at the end.
    pub lost_ms: Option<u64>,
}

/// A track as the library shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackDetails {
    /// Its name.
    pub track: String,
    /// What it carries.
    pub kind: TrackKind,
    /// Its source, for people.
    pub label: String,
    /// The codec, for people.
    pub codec: String,
    /// Sealed chunks.
    pub chunks: usize,
    /// Init segments: more than one where the picture changed its size.
    pub inits: usize,
    /// Bytes.
    pub bytes: u64,
}

/// One recording, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// As in the list.
    #[serde(flatten)]
    pub line: RecordingLine,
    /// For people.
    pub description: String,
    /// Free keys and values.
    pub metadata: BTreeMap<String, String>,
    /// Length of a chunk.
    pub chunk_ms: u64,
    /// Its tracks.
    pub tracks: Vec<TrackDetails>,
    /// What is missing, and why.
    pub gaps: Vec<Gap>,
    /// Which tracks of pictures it has.
    pub mode: Mode,
    /// How sound and pictures compared at the end.
    pub check: Option<SelfCheck>,
}

/// What reading everything again found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The session.
    pub session: SessionId,
    /// Chunks that there should be.
    pub chunks: u64,
    /// Chunks whose bytes are what they were when they were sealed.
    pub verified: u64,
    /// Ids of chunks whose bytes are not, and files that were damaged and have been put back.
    pub damaged: Vec<String>,
    /// Ids of chunks that are not there.
    pub missing: Vec<String>,
}

/// A file was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Where.
    pub output: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// How long it plays.
    pub duration_ms: u64,
    /// Chunks left out because their bytes are gone or wrong.
    pub skipped: Vec<String>,
}

/// A setting in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Whether somebody chose it.
    pub chosen: bool,
    /// What it does, for people.
    pub help: String,
}

/// What the engine says without being asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// An export moved on.
    Progress {
        /// The file that is being made.
        output: PathBuf,
        /// From 0 to 1.
        share: f32,
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
