// Made from the Rust types by `cargo xtask bindings`; a test holds it to them.

/**
 * What the app says of itself.
 */
export type About = { version: string, 
/**
 * The data folder.
 */
data: string, 
/**
 * `linux`, `macos` or `windows`.
 */
system: string, 
/**
 * What draws windows.
 */
session: Session, 
/**
 * What works while other programs have the keyboard.
 */
hotkeys: Array<Hotkey>, 
/**
 * Whether the small window is left out of what is recorded.
 */
hides_controller: boolean, 
/**
 * Whether the app can replace itself by a newer version; else the system does.
 */
updates_itself: boolean, };

/**
 * Somebody is logged in.
 */
export type Account = { 
/**
 * The server's address.
 */
server: string, 
/**
 * Where the secret is kept that lets this machine in again: `keychain` or `file`.
 */
kept: string, 
/**
 * The file.
 */
path: string | null, 
/**
 * Why it is in a file, for people.
 */
why: string | null, };

/**
 * What the engine is doing.
 */
export type Activity = "idle" | "rehearsing" | "recording" | "paused" | "stopping";

/**
 * Something that is wrong now.
 */
export type Alarm = { 
/**
 * What is wrong.
 */
kind: AlarmKind, 
/**
 * With which source.
 */
track: TrackId, 
/**
 * What to do about it, for people.
 */
message: string, };

/**
 * What is wrong with a source.
 */
export type AlarmKind = "silent" | "frozen" | "stalled" | "clipped" | "drifting";

/**
 * What somebody does to the drawings.
 */
export type Annotation = { "draw": Drawing } | { "erase": { 
/**
 * Where the eraser was.
 */
points: Array<Point>, 
/**
 * Pixels.
 */
radius: number, } } | "undo" | "clear";

/**
 * How sources are arranged from some time of the recording on, as it plays.
 */
export type Arrangement = { 
/**
 * Milliseconds.
 */
t: number, 
/**
 * The layout.
 */
layout: Layout, };

/**
 * Bytes behind an answer. On the socket they follow the line that announces them.
 */
export type Blob = { 
/**
 * What they are, such as `image/jpeg`.
 */
media_type: string, 
/**
 * How many follow.
 */
length: number, 
/**
 * Of a live picture: what the next look names as the last one seen.
 */
number: number, };

/**
 * Which source a shell wants.
 */
export type Choice = "default" | "off" | { "id": string };

/**
 * An opaque sRGB colour.
 */
export type Color = { 
/**
 * Red.
 */
red: number, 
/**
 * Green.
 */
green: number, 
/**
 * Blue.
 */
blue: number, };

/**
 * Everything that a shell may ask.
 */
export type Command = { "begin": SessionPlan } | "pause" | "resume" | { "arrange": Layout } | "layout" | { "annotate": Annotation } | "stop" | "status" | "environment" | "subscribe" | { "devices": { 
/**
 * Made-up sources instead of devices.
 */
synthetic: boolean, } } | "permissions" | { "rehearse": SessionPlan } | { "look": { 
/**
 * Pixels across, at most; the picture keeps its shape.
 */
width: number, 
/**
 * The last one seen; zero for any.
 */
after: number, } } | { "glance": { 
/**
 * As in [`Device::id`].
 */
device: string, 
/**
 * Pixels across, at most.
 */
width: number, } } | { "list": Query } | { "show": { 
/**
 * Id of a recording or session, or the beginning of one.
 */
id: string, } } | { "verify": { 
/**
 * Id of a recording or session, or the beginning of one.
 */
id: string, } } | { "describe": { 
/**
 * Id of a recording or session, or the beginning of one.
 */
id: string, 
/**
 * At most 200 characters.
 */
title: string | null, 
/**
 * At most 2,000 characters.
 */
description: string | null, 
/**
 * Free keys and values, all of them.
 */
metadata: { [key in string]: string } | null, } } | { "trash": { 
/**
 * Id of a recording or session, or the beginning of one.
 */
id: string, } } | { "restore": { 
/**
 * Id of a recording or session, or the beginning of one.
 */
id: string, } } | { "mark": { 
/**
 * Id of a recording or session, or the beginning of one; the running session's if not given.
 */
id: string | null, 
/**
 * As it plays; now, in the running session, if not given.
 */
at_ms: number | null, 
/**
 * At most 200 characters; may be empty. It replaces that of a mark at the same instant.
 */
label: string, } } | { "unmark": { 
/**
 * Id of a recording or session, or the beginning of one.
 */
id: string, 
/**
 * As it plays.
 */
at_ms: number, } } | { "film": { 
/**
 * Id of a recording or session, or the beginning of one.
 */
id: string, } } | { "init": { 
/**
 * The session.
 */
session: SessionId, 
/**
 * The track.
 */
track: TrackId, 
/**
 * Which.
 */
hash: Hash, } } | { "chunk": { 
/**
 * The session.
 */
session: SessionId, 
/**
 * The track.
 */
track: TrackId, 
/**
 * Which.
 */
index: number, } } | { "still": { 
/**
 * Id of a recording or session, or the beginning of one.
 */
id: string, 
/**
 * As it plays. The nearest picture that is cheap to decode will do.
 */
at_ms: number, 
/**
 * Pixels across, at most.
 */
width: number, } } | { "waveform": { 
/**
 * Id of a recording or session, or the beginning of one.
 */
id: string, 
/**
 * How many equal spans, 1 to 4,096.
 */
spans: number, } } | "usage" | { "diagnose": { 
/**
 * Where to, absolute; a text.
 */
output: string, } } | "keys" | { "save_keys": { 
/**
 * Where to, absolute.
 */
output: string, } } | { "load_keys": { 
/**
 * Where from, absolute.
 */
input: string, } } | "new_key" | { "delete": { 
/**
 * Id of a recording or session, or the beginning of one.
 */
id: string, } } | { "settings": { 
/**
 * Only this one.
 */
key: string | null, } } | { "set": { 
/**
 * Which setting.
 */
key: string, 
/**
 * Its new value; none goes back to what it is without anybody's choice.
 */
value: string | null, } } | { "export": ExportPlan } | { "login": { 
/**
 * Its address, such as `https://spool.example.org`.
 */
server: string, 
/**
 * What the server's owner gave out. It is kept in the keychain, or in a file where there is none.
 */
token: Secret | null, } } | "logout" | { "sync": { 
/**
 * This one alone: id of a recording or session, or the beginning of one. It is uploaded even where the setting
 * `upload` is `manual`.
 */
id: string | null, } } | "upload_pause" | "upload_resume" | { "upload_verify": { 
/**
 * Id of a recording or session, or the beginning of one.
 */
id: string, } } | "shutdown";

export type Connection = "connected" | "starting" | "lost";

/**
 * What a key can be bound to.
 */
export type Deed = "record" | "pause" | "annotate" | "mark";

/**
 * One recording, whole.
 */
export type Details = { 
/**
 * For people.
 */
description: string, 
/**
 * Free keys and values.
 */
metadata: { [key in string]: string }, 
/**
 * Length of a chunk.
 */
chunk_ms: number, 
/**
 * Its tracks.
 */
tracks: Array<TrackDetails>, 
/**
 * What is missing, and why.
 */
gaps: Array<Gap>, 
/**
 * Which tracks of pictures it has.
 */
mode: Mode, 
/**
 * How sound and pictures compared at the end.
 */
check: SelfCheck | null, 
/**
 * What somebody wants to find again, in order.
 */
marks: Array<Mark>, 
/**
 * What a server has said of it last.
 */
receipt: ReceiptLine | null, 
/**
 * Its id.
 */
recording: RecordingId, 
/**
 * Its session here.
 */
session: SessionId, 
/**
 * For people.
 */
title: string, 
/**
 * Milliseconds since 1970.
 */
started_at: number, 
/**
 * As it plays.
 */
duration_ms: number, 
/**
 * Of all tracks.
 */
bytes: number, 
/**
 * How far it came.
 */
state: SessionState, 
/**
 * After a crash: at most this much is missing at the end.
 */
lost_ms: number | null, 
/**
 * Whether there is something to see.
 */
has_pictures: boolean, 
/**
 * Since when it lies in the trash, in milliseconds since 1970.
 */
trashed_at: number | null, 
/**
 * Whether it is encrypted, and its key here.
 */
encryption: Encryption, 
/**
 * Whether it is at a server.
 */
uploaded: Uploaded, };

/**
 * Something that can be recorded.
 */
export type Device = { 
/**
 * Stays the same from run to run.
 */
id: string, 
/**
 * `screen`, `window`, `camera`, `microphone` or `system_audio`.
 */
kind: string, 
/**
 * For people.
 */
name: string, 
/**
 * Whether it is what is taken without a choice.
 */
is_default: boolean, 
/**
 * Pixels across and down, of what has pictures.
 */
size: [number, number] | null, 
/**
 * What a camera can be asked for, best first: `1280x720@30 MJPG`.
 */
formats: Array<string>, };

/**
 * One thing that was drawn.
 */
export type Drawing = { 
/**
 * Unique within the session.
 */
id: number, 
/**
 * With what.
 */
tool: Tool, 
/**
 * At most [`Drawing::POINTS_MAX`].
 */
points: Array<Point>, 
/**
 * Its colour.
 */
color: Color, 
/**
 * Width of the line in pixels, or height of the letters.
 */
width: number, 
/**
 * Fades out after this many milliseconds; stays where there are none.
 */
fade_after_ms: number | null, };

/**
 * Whether a recording is encrypted.
 */
export type Encryption = "plain" | "encrypted" | "locked";

/**
 * How the app stands with the engine, as pages hear it by the event `engine-state`.
 */
export type EngineState = { state: Connection, 
/**
 * What went wrong, for people.
 */
message?: string, };

/**
 * What the engine says without being asked.
 */
export type Event = { "changed": Snapshot } | { "alarm": { 
/**
 * Whether it began or ended.
 */
raised: boolean, 
/**
 * What is wrong.
 */
kind: AlarmKind, 
/**
 * With which source.
 */
track: TrackId, 
/**
 * What to do about it, for people.
 */
message: string, } } | { "notice": { 
/**
 * Stable, for programs: `source_lost`, `source_returned`, `slower`, `faster`, `disk_low` and so on.
 */
code: string, 
/**
 * The track that it concerns.
 */
track: string | null, 
/**
 * For people.
 */
message: string, } } | { "finished": Summary } | { "recovered": { 
/**
 * The recording that it belongs to.
 */
recording: RecordingId, 
/**
 * Its title.
 */
title: string, 
/**
 * At most this much is missing at its end.
 */
lost_ms: number, } } | { "progress": { 
/**
 * The file that is being made.
 */
output: string, 
/**
 * From 0 to 1.
 */
share: number, } } | { "logged_in": Account } | { "login_failed": { 
/**
 * The server's address.
 */
server: string, 
/**
 * Why.
 */
problem: Problem, } } | { "uploaded": { 
/**
 * The recording.
 */
recording: RecordingId, 
/**
 * Its title.
 */
title: string, 
/**
 * What the server said.
 */
receipt: ReceiptLine, } };

/**
 * What to make of a recording. What is left open comes out as it was recorded, without encoding where that can be.
 */
export type ExportPlan = { 
/**
 * Id of a recording or session, or the beginning of one.
 */
id: string, 
/**
 * Where to, absolute. Its ending says what: `mp4`, `m4a`, `webm` or `gif`.
 */
output: string, 
/**
 * From here, in milliseconds of the recording as it plays; its beginning if not given.
 */
from_ms: number | null, 
/**
 * Up to here, likewise.
 */
to_ms: number | null, 
/**
 * Pictures fit within this many pixels across and down.
 */
size: [number, number] | null, 
/**
 * At most this many pictures a second.
 */
fps: number | null, 
/**
 * Exactly `fps` pictures a second, or 30 where nobody says.
 */
constant_rate: boolean, 
/**
 * What pictures are encoded as: `h264`, `vp9` or `av1`.
 */
codec: string | null, 
/**
 * Constant quality as x264 counts it: 0 keeps everything, 51 nothing.
 */
crf: number | null, 
/**
 * This track of pictures alone.
 */
track: string | null, 
/**
 * The tracks composed anew, in these layouts; as they were recorded where the list is empty.
 */
composition: Array<Arrangement> | null, 
/**
 * Rather no file than one whose pictures are encoded again.
 */
no_encode: boolean, };

/**
 * A file was made.
 */
export type Exported = { 
/**
 * Where.
 */
output: string, 
/**
 * Its size.
 */
bytes: number, 
/**
 * How long it plays.
 */
duration_ms: number, 
/**
 * Chunks left out because their bytes are gone or wrong.
 */
skipped: Array<string>, };

/**
 * A recording as a player needs it: what to fetch, and where it lies in playing time. Pauses are left out.
 */
export type Film = { 
/**
 * The session that init segments and chunks are asked of.
 */
session: SessionId, 
/**
 * Seconds.
 */
duration: number, 
/**
 * The picture that players show, then the sound that they play, where there are such.
 */
tracks: Array<FilmTrack>, };

/**
 * A track that can be played.
 */
export type FilmTrack = { 
/**
 * Its name.
 */
track: string, 
/**
 * What it carries.
 */
kind: TrackKind, 
/**
 * With parameters, as `MediaSource.addSourceBuffer` wants it (RFC 6381): `video/mp4; codecs="avc1.64001f"`.
 */
media_type: string, 
/**
 * Its chunks in order.
 */
segments: Array<Segment>, };

/**
 * How pictures fared.
 */
export type FrameCounts = { 
/**
 * Pictures that differed from the one before.
 */
captured: number, 
/**
 * Pictures encoded, repeats of a still one included.
 */
encoded: number, 
/**
 * Looks at the source that found nothing new.
 */
unchanged: number, 
/**
 * Pictures that came too fast to be encoded.
 */
dropped: number, };

/**
 * A span without samples. A session-wide gap is skipped when the session is flattened; a track's gap stays, as
 * silence or as the last picture.
 */
export type Gap = { 
/**
 * The track, or none for the whole session.
 */
track: TrackId | null, 
/**
 * When.
 */
span: Span, 
/**
 * Why.
 */
reason: GapReason, };

/**
 * Why there is nothing, or nothing real, in a span.
 */
export type GapReason = "paused" | "slept" | "stalled" | "device_lost" | "permission_revoked" | "closed" | "samples_lost" | "encoder_failed";

/**
 * SHA-256 of some bytes (FIPS 180-4). Object stores check the same one.
 */
export type Hash = string;

/**
 * A key and how it is with it.
 */
export type Hotkey = { action: Deed, 
/**
 * Such as `Ctrl+Shift+R`.
 */
keys: string, state: HotkeyState, 
/**
 * What to do about it, for people; empty where there is nothing to do.
 */
advice: string, };

export type HotkeyState = "active" | "taken" | "unavailable";

/**
 * Where and how the camera is seen over the screen. Lengths are shares of the canvas, so that it looks the same at
 * every size.
 */
export type Inset = { 
/**
 * Whether it is seen.
 */
shown: boolean, 
/**
 * The place of its middle across the canvas, 0 to 1.
 */
x: number, 
/**
 * The place of its middle down the canvas, 0 to 1.
 */
y: number, 
/**
 * Its height in heights of the canvas, 0.05 to 1; its width follows from its shape.
 */
size: number, 
/**
 * Its outline.
 */
shape: Shape, 
/**
 * Width of its border in heights of the canvas, 0 to 0.05; none at 0.
 */
border: number, 
/**
 * Colour of its border.
 */
border_color: Color, 
/**
 * Left and right change places, as people know themselves from a mirror.
 */
mirrored: boolean, 
/**
 * From 0, not seen, to 1.
 */
opacity: number, };

/**
 * Which key a session is encrypted with: eight bytes of a hash of it, which say nothing of the key itself.
 */
export type KeyId = string;

/**
 * A key of encrypted recordings.
 */
export type KeyLine = { 
/**
 * Its id, which says nothing of the key itself.
 */
id: KeyId, 
/**
 * Whether new recordings are encrypted with it.
 */
current: boolean, 
/**
 * Where it is kept: `keychain`, `file`, or `away` where it is not here.
 */
kept: string, 
/**
 * The file.
 */
path: string | null, 
/**
 * Recordings that cannot be read without it.
 */
recordings: number, };

/**
 * How sources make one picture.
 */
export type Layout = { 
/**
 * Seen where nothing is drawn.
 */
background: Color, 
/**
 * The camera over the screen. Without a screen the camera has all of the picture.
 */
camera: Inset, 
/**
 * The pointer.
 */
pointer: PointerStyle, 
/**
 * Keys that were pressed are shown, where they are recorded.
 */
keys: boolean, };

/**
 * An instant that somebody wants to find again.
 */
export type Mark = { 
/**
 * Milliseconds of the recording as it plays.
 */
at_ms: number, 
/**
 * At most 200 characters; may be empty.
 */
label: string, };

/**
 * Which tracks a session writes.
 */
export type Mode = "program" | "tracks" | "both";

/**
 * A version that is newer than this one.
 */
export type Newer = { version: string, 
/**
 * What is new in it, in its makers' words.
 */
notes: string | null, };

/**
 * In which order recordings are listed.
 */
export type Order = "newest" | "oldest" | "longest" | "largest" | "title";

/**
 * A part of the library's list.
 */
export type Page = { 
/**
 * How many recordings the query finds.
 */
total: number, 
/**
 * Bytes of all that it finds.
 */
bytes: number, 
/**
 * Those of this page.
 */
recordings: Array<RecordingLine>, };

/**
 * Somebody is to let this machine in, in a browser.
 */
export type Pairing = { 
/**
 * The server's address.
 */
server: string, 
/**
 * What people compare: `WDJB-MJHT`.
 */
user_code: string, 
/**
 * Where they do so; it has the code.
 */
url: string, 
/**
 * For so many seconds.
 */
expires_in_s: number, };

/**
 * Whether a kind of source may be recorded.
 */
export type Permission = { 
/**
 * As in [`Device::kind`].
 */
kind: string, 
/**
 * `granted`, `denied`, `not_asked` or `restricted`.
 */
state: string, 
/**
 * What to do about it, as a sentence; empty where there is nothing to do.
 */
advice: string, };

/**
 * A place in pixels, from the top left.
 */
export type Point = { 
/**
 * Pixels to the right.
 */
x: number, 
/**
 * Pixels down.
 */
y: number, };

/**
 * How the pointer and what people do with it is drawn.
 */
export type PointerStyle = { 
/**
 * Whether it is seen at all.
 */
shown: boolean, 
/**
 * Its size in sizes of the system's, 0.5 to 4.
 */
size: number, 
/**
 * A ring spreads from where a button was pressed.
 */
ripple: boolean, 
/**
 * Not seen after this many milliseconds without a move; never hidden at none.
 */
hide_after_ms: number | null, };

/**
 * An error as it goes over the socket.
 */
export type Problem = { 
/**
 * Stable, for programs.
 */
code: string, 
/**
 * For people.
 */
message: string, };

/**
 * Largest picture and most bits that a recording may take. The picture keeps its shape and is never enlarged.
 */
export type Quality = { 
/**
 * Largest width in pixels.
 */
width: number, 
/**
 * Largest height in pixels.
 */
height: number, 
/**
 * Nominal bits a second of picture; bursts may take twice that.
 */
bitrate: number, };

/**
 * Which recordings to list, and in which order.
 */
export type Query = { 
/**
 * Words that title, description or metadata contain, all of them, whatever their case.
 */
text: string, 
/**
 * In which order.
 */
order: Order, 
/**
 * Those in the trash instead of all others.
 */
trashed: boolean, 
/**
 * How many to leave out at the beginning.
 */
offset: number, 
/**
 * At most this many.
 */
limit: number, };

/**
 * What a server has said of a recording: "412 of 412 chunks verified".
 */
export type ReceiptLine = { 
/**
 * The server's address.
 */
server: string, 
/**
 * Chunks that are there and verified.
 */
verified: number, 
/**
 * Chunks that there should be.
 */
expected: number, 
/**
 * Bytes that are verified, init segments included.
 */
bytes: number, 
/**
 * Chunks that were lost here before they could be sent.
 */
lost: number, 
/**
 * Whether all that was recorded, and is not lost, is there.
 */
complete: boolean, 
/**
 * When the server found that out, in milliseconds since 1970.
 */
at: number, 
/**
 * How it knows, init segments included.
 */
vouched: Vouched, 
/**
 * Names of what is not there; the first twenty.
 */
missing: Array<string>, };

/**
 * What people see and share; has one or more sessions. UUID version 7, so that ids sort by creation.
 */
export type RecordingId = string;

/**
 * A recording as the library's list shows it.
 */
export type RecordingLine = { 
/**
 * Its id.
 */
recording: RecordingId, 
/**
 * Its session here.
 */
session: SessionId, 
/**
 * For people.
 */
title: string, 
/**
 * Milliseconds since 1970.
 */
started_at: number, 
/**
 * As it plays.
 */
duration_ms: number, 
/**
 * Of all tracks.
 */
bytes: number, 
/**
 * How far it came.
 */
state: SessionState, 
/**
 * After a crash: at most this much is missing at the end.
 */
lost_ms: number | null, 
/**
 * Whether there is something to see.
 */
has_pictures: boolean, 
/**
 * Since when it lies in the trash, in milliseconds since 1970.
 */
trashed_at: number | null, 
/**
 * Whether it is encrypted, and its key here.
 */
encryption: Encryption, 
/**
 * Whether it is at a server.
 */
uploaded: Uploaded, };

/**
 * Everything that is answered.
 */
export type Reply = "done" | { "begun": { 
/**
 * Its id.
 */
session: SessionId, 
/**
 * The recording that it belongs to.
 */
recording: RecordingId, 
/**
 * What was not as wished, for people.
 */
notices: Array<string>, } } | { "finished": Summary } | { "status": Snapshot } | { "environment": { [key in string]: string } } | { "layout": Layout } | { "devices": Array<Device> } | { "permissions": Array<Permission> } | { "recordings": Page } | { "details": Details } | { "verified": Verified } | { "deleted": { 
/**
 * Bytes.
 */
bytes: number, } } | { "settings": Array<Setting> } | { "exported": Exported } | { "blob": Blob } | { "film": Film } | { "waveform": Array<number> } | { "usage": Usage } | { "keys": Array<KeyLine> } | { "logged_in": Account } | { "pairing": Pairing } | { "receipt": ReceiptLine };

/**
 * What nobody but the server is to see. It is never printed.
 */
export type Secret = string;

/**
 * A chunk in playing time.
 */
export type Segment = { 
/**
 * The init segment that it needs.
 */
init: Hash, 
/**
 * Its index within the track.
 */
index: number, 
/**
 * Where it begins, in seconds.
 */
from: number, 
/**
 * Where it ends, in seconds.
 */
to: number, 
/**
 * Seconds to be added to the times within it (`SourceBuffer.timestampOffset`).
 */
offset: number, 
/**
 * Its size.
 */
bytes: number, };

/**
 * Sound against pictures, and devices' clocks against the session's, at the end of a session.
 */
export type SelfCheck = { 
/**
 * How much later sound ended than pictures, in microseconds, where there are both.
 */
end_offset_us: number | null, 
/**
 * Each source of sound.
 */
sound: Array<SoundCheck>, };

/**
 * What draws windows, and so decides how keys are had.
 */
export type Session = "x11" | "wayland" | "native";

/**
 * One run from begin to finalize. UUID version 7.
 */
export type SessionId = string;

/**
 * What to record.
 */
export type SessionPlan = { 
/**
 * At most 200 characters.
 */
title: string, 
/**
 * At most 2,000 characters.
 */
description: string, 
/**
 * Free keys and values.
 */
metadata: { [key in string]: string }, 
/**
 * The screen, monitor, window or region.
 */
screen: Choice, 
/**
 * The camera.
 */
camera: Choice, 
/**
 * What the camera is asked for, as `spool devices` lists it: `1280x720@30` or `1280x720@29.97 MJPG`.
 */
camera_format: string | null, 
/**
 * The microphone.
 */
microphone: Choice, 
/**
 * What the speakers play.
 */
system_audio: Choice, 
/**
 * Which tracks of pictures are written.
 */
mode: Mode, 
/**
 * How sources are arranged in the program; as the settings have it where nobody says.
 */
layout: Layout | null, 
/**
 * Whether keys are recorded and shown. Passwords are typed too, so this is nobody's default.
 */
keys: boolean, 
/**
 * Size and bitrate of the picture.
 */
quality: Quality, 
/**
 * Most pictures a second.
 */
fps: number, 
/**
 * Length of a chunk in milliseconds.
 */
chunk_ms: number, 
/**
 * Made-up sources instead of devices.
 */
synthetic: boolean, 
/**
 * Ends by itself after this many milliseconds.
 */
stop_after_ms: number | null, };

/**
 * How far a session has come.
 */
export type SessionState = "recording" | "finalized" | "recovered";

/**
 * A setting in force.
 */
export type Setting = { 
/**
 * Its name.
 */
key: string, 
/**
 * Its value.
 */
value: string, 
/**
 * Whether somebody chose it.
 */
chosen: boolean, 
/**
 * What it does, for people.
 */
help: string, 
/**
 * Its values, where there are only these, or those to be offered where others are taken too.
 */
choices: Array<string>, };

/**
 * The shape of the camera's picture.
 */
export type Shape = "rectangle" | "rounded" | "circle";

/**
 * The engine at one instant.
 */
export type Snapshot = { 
/**
 * What it is doing.
 */
activity: Activity, 
/**
 * The running session.
 */
session: SessionId | null, 
/**
 * The recording that it belongs to.
 */
recording: RecordingId | null, 
/**
 * Its title.
 */
title: string, 
/**
 * Pixels across and down of the main picture, in which drawings are placed, once there is one.
 */
picture: [number, number] | null, 
/**
 * Recorded time, pauses not counted.
 */
elapsed_ms: number, 
/**
 * Pictures encoded in the last second.
 */
fps: number, 
/**
 * Most pictures a second that are tried for now: lower than planned while the machine is too slow.
 */
fps_ceiling: number, 
/**
 * How pictures fared so far.
 */
frames: FrameCounts, 
/**
 * Bytes written so far.
 */
bytes: number, 
/**
 * Bits a second, lately.
 */
bitrate: number, 
/**
 * Each track.
 */
tracks: Array<TrackStatus>, 
/**
 * What is wrong with sources now.
 */
alarms: Array<Alarm>, 
/**
 * Bytes free for data.
 */
disk_free: number, 
/**
 * What people should know now.
 */
notices: Array<string>, 
/**
 * Another number than before: the library's list has changed, by whomever.
 */
library: number, 
/**
 * Another number than before: settings have changed, by whomever.
 */
settings: number, 
/**
 * How far uploads have come.
 */
upload: UploadStatus, };

/**
 * How a source of sound kept time.
 */
export type SoundCheck = { 
/**
 * The source's track.
 */
track: TrackId, 
/**
 * How much faster its crystal was than the session's clock, in millionths. Corrected.
 */
drift_ppm: number, 
/**
 * The farthest that its sound lay from where it belongs, in microseconds, before it was put right.
 */
offset_us: number, 
/**
 * Silence that stands for sound that never came, in milliseconds.
 */
filled_ms: number, };

/**
 * A range of session time, its end not included.
 */
export type Span = { 
/**
 * First instant within.
 */
start: Timestamp, 
/**
 * First instant no longer within.
 */
end: Timestamp, };

/**
 * A session that ended.
 */
export type Summary = { 
/**
 * Its id.
 */
session: SessionId, 
/**
 * The recording that it belongs to.
 */
recording: RecordingId, 
/**
 * As it plays, pauses left out.
 */
duration_ms: number, 
/**
 * Of all tracks.
 */
bytes: number, 
/**
 * How pictures fared.
 */
frames: FrameCounts, 
/**
 * Its tracks' names.
 */
tracks: Array<string>, 
/**
 * What is missing, in milliseconds over all gaps that nobody asked for.
 */
lost_ms: number, 
/**
 * Why it ended, where nobody asked for it.
 */
reason: string | null, };

/**
 * Nanoseconds since the session began. Negative is pre-roll.
 */
export type Timestamp = number;

/**
 * With what something is drawn.
 */
export type Tool = "pen" | "highlighter" | "line" | "arrow" | "rectangle" | "ellipse" | { "text": string };

/**
 * A track as the library shows it.
 */
export type TrackDetails = { 
/**
 * Its name.
 */
track: string, 
/**
 * What it carries.
 */
kind: TrackKind, 
/**
 * Its source, for people.
 */
label: string, 
/**
 * The codec, for people.
 */
codec: string, 
/**
 * Sealed chunks.
 */
chunks: number, 
/**
 * Init segments: more than one where the picture changed its size.
 */
inits: number, 
/**
 * Bytes.
 */
bytes: number, };

/**
 * A track's name within its session, such as `program` or `mix`: 1 to 32 of `a-z`, `0-9` and `-`.
 * It is also the name of the track's folder, so nothing else can be in it.
 */
export type TrackId = string;

/**
 * What a track carries.
 */
export type TrackKind = "program" | "screen" | "camera" | "microphone" | "system_audio" | "mix" | "input";

/**
 * A track of the running session.
 */
export type TrackStatus = { 
/**
 * Its name.
 */
track: string, 
/**
 * What it carries.
 */
kind: TrackKind, 
/**
 * Its source, for people.
 */
label: string, 
/**
 * Sealed chunks.
 */
chunks: number, 
/**
 * Loudest sample of the last moments in dB of full scale, where it is sound.
 */
peak_db: number | null, 
/**
 * Pictures encoded in the last second, where it is pictures.
 */
fps: number | null, 
/**
 * Why nothing comes from its source now.
 */
trouble: string | null, };

/**
 * A session on its way.
 */
export type UploadLine = { 
/**
 * The session.
 */
session: SessionId, 
/**
 * The recording that it belongs to.
 */
recording: RecordingId, 
/**
 * Its title.
 */
title: string, 
/**
 * Chunks that are known to be at the server.
 */
chunks_done: number, 
/**
 * Chunks that there are so far.
 */
chunks_total: number, 
/**
 * Bytes that are known to be at the server.
 */
bytes_done: number, 
/**
 * Bytes that there are so far.
 */
bytes_total: number, 
/**
 * Whether it is its turn now.
 */
active: boolean, 
/**
 * What is wrong with this one alone, in words.
 */
problem: Problem | null, };

/**
 * What uploads do now.
 */
export type UploadState = "off" | "idle" | "uploading" | "waiting" | "paused" | "problem";

/**
 * Uploads at one instant.
 */
export type UploadStatus = { 
/**
 * The server's address; none where nobody is logged in.
 */
server: string | null, 
/**
 * What they do.
 */
state: UploadState, 
/**
 * Chunks of all sessions that are not known to be at the server.
 */
chunks_left: number, 
/**
 * Their bytes.
 */
bytes_left: number, 
/**
 * Bytes sent in a second, lately.
 */
bytes_per_s: number, 
/**
 * While recording: for how long the oldest sealed chunk of it has waited, in milliseconds.
 */
lag_ms: number, 
/**
 * Why they wait, or what is wrong, in words; codes are stable.
 */
problem: Problem | null, 
/**
 * When they try again, in milliseconds from now.
 */
retry_in_ms: number | null, 
/**
 * What is on its way or comes next; the first twenty.
 */
sessions: Array<UploadLine>, };

/**
 * Whether a recording is at a server.
 */
export type Uploaded = "not_wanted" | "waiting" | "partial" | "verified";

/**
 * What the library takes, and what is left.
 */
export type Usage = { 
/**
 * Recordings that are not in the trash.
 */
recordings: number, 
/**
 * Their bytes.
 */
bytes: number, 
/**
 * Recordings in the trash.
 */
trashed: number, 
/**
 * Their bytes.
 */
trashed_bytes: number, 
/**
 * Bytes free for data.
 */
free: number, 
/**
 * Bytes of these that recordings leave alone.
 */
reserve: number, };

/**
 * What reading everything again found.
 */
export type Verified = { 
/**
 * The session.
 */
session: SessionId, 
/**
 * Chunks that there should be.
 */
chunks: number, 
/**
 * Chunks whose bytes are what they were when they were sealed.
 */
verified: number, 
/**
 * Ids of chunks whose bytes are not, and files that were damaged and have been put back.
 */
damaged: Array<string>, 
/**
 * Ids of chunks that are not there.
 */
missing: Array<string>, };

/**
 * How many objects are vouched for, and in which way.
 */
export type Vouched = { 
/**
 * Read back and hashed by the server.
 */
read_back: number, 
/**
 * Checked by the object store itself.
 */
store: number, };
