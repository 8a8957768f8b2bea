//! A data folder from one input: a session's files, as somebody hostile could have left them.
//!
//! Sums and the hashes in names are made to fit the bytes, since no fuzzer could guess them, and behind them lies all
//! that reads these bytes. Blocks 7, 9 and 11 make ones that do not fit.

use crate::{
    input::{Input, put_block},
    tracks,
};
use media::ChunkPolicy;
use model::{
    Gap, GapReason, Hash, Init, Layout, LayoutChange, Mark, Mode, Piece, RecordingId, Retention, SelfCheck,
    SessionId, SessionMeta, SessionState, SoundCheck, Span, Timestamp, UtcTime,
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Once,
};
use tempfile::TempDir;

/// `session.json`, with [`HASHES`] in the place of the init segments' hashes.
pub const DOCUMENT: u8 = 0;
/// An init segment of the first track; of the second it is one more, as with all that follow.
pub const INIT: u8 = 1;
/// An open chunk, and the sums of its parts.
pub const OPEN: u8 = 3;
/// A sealed chunk.
pub const CHUNK: u8 = 5;
/// Other sums for the open chunk before it.
pub const SUMS: u8 = 7;
/// The index.
pub const INDEX: u8 = 9;
/// Settings.
pub const SETTINGS: u8 = 10;
/// Any file among the first track's: a byte of length, that long a name, and what is in it.
pub const STRANGER: u8 = 11;
/// What stands for the hash of each track's newest init segment.
pub const HASHES: [&str; 2] = ["{program}", "{mix}"];

const SUM: usize = 8;

/// What folders of ours are called; the number of the process follows.
const PREFIX: &str = "spool-fuzz-";

/// A folder in memory, where there is such a thing, and gone with this value.
pub fn folder() -> TempDir {
    static SWEEP: Once = Once::new();
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    SWEEP.call_once(|| sweep(&base));
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(base).expect("a folder can be made")
}

/// libFuzzer ends a process without giving it time to tidy up, so the next one does.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // Somebody else may be at it already.
            let _gone = fs::remove_dir_all(entry.path());
        }
    }
}

/// Where the session's files are.
pub fn session_folder(data: &Path) -> PathBuf {
    data.join("sessions").join(tracks::session().to_string())
}

/// One of two tracks, while its files are written.
struct Track {
    folder: PathBuf,
    init: Option<Init>,
    hash: String,
    number: u32,
}

impl Track {
    fn new(session: &Path, kind: u8) -> io::Result<Self> {
        let folder = session.join(tracks::name(kind).as_str());
        fs::create_dir(&folder)?;
        Ok(Self { folder, init: None, hash: String::new(), number: 0 })
    }

    fn write_init(&mut self, kind: u8, bytes: &[u8]) -> io::Result<()> {
        let hash = Hash::of(bytes);
        self.hash = hash.to_string();
        self.init = media::read_init(&tracks::name(kind), bytes.to_vec().into()).ok();
        fs::write(self.folder.join(format!("init-{}.mp4", hash.short())), bytes)
    }

    /// The number after the last one, or the one that was chosen.
    fn next(&mut self, chosen: u8) -> u32 {
        self.number = if chosen == 0 { self.number + 1 } else { chosen.into() };
        self.number
    }

    fn write_open(&mut self, chosen: u8, bytes: &[u8]) -> io::Result<()> {
        let number = self.next(chosen);
        let parts = self.init.as_ref().map(|init| media::scan(bytes, init).parts).unwrap_or_default();
        let part = |mark: &model::PartMark| &bytes[mark.offset as usize..][..mark.size as usize];
        let sums: Vec<u8> = parts.iter().flat_map(|mark| Hash::of(part(mark)).0[..SUM].to_vec()).collect();
        fs::write(self.folder.join(format!("{number:06}.open")), bytes)?;
        fs::write(self.folder.join(format!("{number:06}.sums")), sums)
    }

    fn write_chunk(&mut self, chosen: u8, bytes: &[u8]) -> io::Result<()> {
        let name = format!("{:06}-{}.m4s", self.next(chosen), Hash::of(bytes).short());
        fs::write(self.folder.join(name), bytes)
    }

    fn write_stranger(&self, block: &[u8]) -> io::Result<()> {
        let Some((length, rest)) = block.split_first() else { return Ok(()) };
        let (name, bytes) = rest.split_at(usize::from(*length).min(rest.len()));
        match str::from_utf8(name) {
            // Names that no file can have, and folders that are there.
            Err(_) | Ok("" | "." | "..") => Ok(()),
            Ok(name) if name.contains(['/', '\0']) => Ok(()),
            Ok(name) => fs::write(self.folder.join(name), bytes),
        }
    }
}

/// Makes the folder that an input describes.
pub fn unpack(data: &Path, mut input: Input<'_>) -> io::Result<()> {
    let session = session_folder(data);
    fs::create_dir_all(&session)?;
    let mut tracks = [Track::new(&session, 0)?, Track::new(&session, 1)?];
    let mut document = None;
    while let Some((kind, bytes)) = input.block() {
        let (kind, chosen) = (kind & 15, kind >> 4);
        let second = kind & 1 == 0;
        let track = &mut tracks[usize::from(second)];
        match kind {
            DOCUMENT => document = Some(bytes),
            INIT | 2 => track.write_init(second.into(), bytes)?,
            OPEN | 4 => track.write_open(chosen, bytes)?,
            CHUNK | 6 => track.write_chunk(chosen, bytes)?,
            SUMS | 8 => fs::write(track.folder.join(format!("{:06}.sums", track.number)), bytes)?,
            INDEX => fs::write(data.join("spool.db"), bytes)?,
            SETTINGS => fs::write(data.join("settings.json"), bytes)?,
            STRANGER => track.write_stranger(bytes)?,
            _ => {}
        }
    }
    let Some(document) = document else { return Ok(()) };
    let named = |text: &str| {
        let each = HASHES.iter().zip(&tracks);
        each.fold(text.to_owned(), |text, (name, track)| text.replace(name, &track.hash))
    };
    let document = str::from_utf8(document).map_or_else(|_| document.to_vec(), |text| named(text).into());
    fs::write(session.join("session.json"), document)
}

/// The input that describes the session in this folder, for seeds.
pub fn pack(data: &Path) -> io::Result<Vec<u8>> {
    let session = session_folder(data);
    let mut out = Vec::new();
    let mut document = fs::read_to_string(session.join("session.json"))?;
    for (second, placeholder) in (0u8..).zip(HASHES) {
        let folder = session.join(tracks::name(second).as_str());
        // A track whose first packet never came has no folder.
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        // Init segments first: the rest is read with them.
        names.sort_by_key(|name| (!name.starts_with("init"), name.clone()));
        for name in names {
            let bytes = fs::read(folder.join(&name))?;
            let kind = match name.rsplit_once('.') {
                Some((_, "mp4")) => INIT,
                Some((_, "open")) => OPEN,
                Some((_, "m4s")) => CHUNK,
                _ => continue,
            };
            if kind == INIT {
                document = document.replace(&Hash::of(&bytes).to_string(), placeholder);
            }
            put_block(&mut out, kind + second, &bytes);
        }
    }
    put_block(&mut out, DOCUMENT, document.as_bytes());
    Ok(out)
}

/// What a real session of two tracks is written with: pieces in the order in which an engine would give them.
pub fn pieces(seconds: u64) -> Vec<Piece> {
    let mut pieces = tracks::pieces(0, Timestamp::ZERO, seconds, 1);
    pieces.extend(tracks::pieces(1, Timestamp::ZERO, seconds, 1));
    pieces
}

/// The id under which everything lies.
pub fn id() -> SessionId {
    tracks::session()
}

/// What a real session is begun with.
pub fn meta() -> SessionMeta {
    let millis = |millis: i64| Timestamp(millis * 1_000_000);
    let span = |start, end| Span::new(millis(start), millis(end));
    SessionMeta {
        version: SessionMeta::VERSION,
        id: id(),
        recording: RecordingId(id().0),
        title: "Seed".to_owned(),
        description: String::new(),
        metadata: BTreeMap::from([("room".to_owned(), "blue".to_owned())]),
        mode: Mode::Program,
        retention: Retention::KeepAll,
        started_at: UtcTime(1_764_000_000_000),
        chunk: ChunkPolicy::CHUNK_MIN,
        state: SessionState::Recording,
        tracks: vec![tracks::info(0), tracks::info(1)],
        gaps: vec![
            Gap { track: None, span: span(700, 900), reason: GapReason::Paused },
            Gap { track: Some(tracks::name(1)), span: span(1200, 1300), reason: GapReason::DeviceLost },
        ],
        lost: None,
        layouts: vec![LayoutChange { at: Timestamp::ZERO, layout: Layout::default() }],
        check: Some(SelfCheck {
            end_offset_us: Some(-1200),
            sound: vec![SoundCheck { track: tracks::name(1), drift_ppm: 40, offset_us: 900, filled_ms: 3 }],
        }),
        marks: vec![Mark { at: Timestamp(400_000_000), label: "here".to_owned() }],
        trashed_at: Some(UtcTime(1_764_000_100_000)),
        key: None,
    }
}
