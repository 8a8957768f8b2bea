//! A real film for the tests of this crate: made by ffmpeg, cut into packets by ffprobe, recorded into a store.
#![allow(dead_code, reason = "each test file uses its part of this")]

use bytes::Bytes;
use media::{ChunkPolicy, Chunker};
use model::{
    ChunkId, CodecConfig, Gap, GapReason, KeyId, Manifest, Mode, Packet, Piece, RecordingId, Retention,
    SessionId, SessionMeta, SessionState, Size, Span, Timestamp, TrackInfo, TrackKind, UtcTime,
};
use spool_export::{Check, Container, ExportError, Exported, Plan, Progress, export};
use std::{collections::BTreeMap, ops::ControlFlow, path::Path, process::Command, sync::Arc, sync::OnceLock};
use store::{ChunkStore, Key, Keys, NoKeys, OsFs};
use tempfile::TempDir;
use uuid::Uuid;

pub const FPS: i64 = 30;
pub const RATE: u32 = 48_000;

/// What ffmpeg made, as packets.
pub struct Film {
    pub dir: TempDir,
    pub pictures: Vec<Packet>,
    pub sounds: Vec<Packet>,
    pub h264: CodecConfig,
    pub aac: CodecConfig,
}

impl Film {
    pub fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("film.mp4")
    }
}

/// Twelve seconds, made once for all tests of a file.
pub fn film() -> &'static Film {
    static FILM: OnceLock<Film> = OnceLock::new();
    FILM.get_or_init(|| make_film("320x180", 12))
}

/// Moving pictures of this size with a keyframe each two seconds, and a tone.
pub fn make_film(size: &str, seconds: u32) -> Film {
    film_of(size, seconds, "testsrc2", "sine=f=440:r=48000")
}

/// What ffmpeg's sources give, encoded as a recorder does.
pub fn film_of(size: &str, seconds: u32, pictures: &str, sound: &str) -> Film {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mp4");
    let arguments = format!(
        "-v error -f lavfi -i {pictures}=s={size}:r=30:d={seconds} -f lavfi -i {sound}:d={seconds} \
         -c:v libx264 -preset veryfast -bf 0 -g 60 -keyint_min 60 -sc_threshold 0 -pix_fmt yuv420p \
         -vf scale=out_color_matrix=bt709:out_range=tv -colorspace bt709 -color_primaries bt709 -color_trc bt709 \
         -color_range tv \
         -video_track_timescale 90000 -c:a aac -ac 2 -b:a 96k"
    );
    run(Command::new("ffmpeg").args(arguments.split_whitespace()).arg(&path));

    let bytes = Bytes::from(std::fs::read(&path).unwrap());
    let packets = |stream: &str, timescale: u32| {
        let fields = probe(&path, stream, &["pts", "size", "pos", "flags"]);
        let packet = |fields: &Vec<String>| {
            let number = |index: usize| fields[index].parse::<i64>().unwrap();
            let (size, place) = (number(1) as usize, number(2) as usize);
            let at = Timestamp::from_ticks(number(0), timescale);
            let end = Timestamp::from_ticks(number(0) + 1024, timescale);
            let duration = if stream == "a" { end.saturating_since(at) } else { std::time::Duration::ZERO };
            Packet {
                at,
                duration,
                keyframe: fields[3].starts_with('K'),
                bytes: bytes.slice(place..place + size),
            }
        };
        fields.iter().map(packet).collect::<Vec<_>>()
    };
    let box_body = |kind: &[u8]| {
        let place = bytes.windows(4).position(|found| found == kind).unwrap();
        let size = u32::from_be_bytes(bytes[place - 4..place].try_into().unwrap()) as usize;
        bytes.slice(place + 4..place - 4 + size)
    };
    let esds = box_body(b"esds");
    // The tag of the decoder's own description, with its length in four bytes as ffmpeg writes it.
    let specific = esds.windows(4).position(|found| found == [5, 0x80, 0x80, 0x80]).unwrap() + 4;
    let asc = esds.slice(specific + 1..specific + 1 + usize::from(esds[specific]));
    let (width, height) = size.split_once('x').unwrap();
    let picture_size = Size::new(width.parse().unwrap(), height.parse().unwrap());
    Film {
        pictures: packets("v", 90_000),
        sounds: packets("a", RATE),
        h264: CodecConfig::H264 { size: picture_size, avcc: box_body(b"avcC") },
        aac: CodecConfig::Aac { rate: RATE, channels: 2, asc, priming: 1024, bitrate: 96_000 },
        dir,
    }
}

/// Runs a program to its end. It must succeed, and have nothing to complain of.
pub fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{command:?}: {}\n{complaints}", output.status);
    output.stdout
}

/// Of each packet of a stream the fields that ffprobe names.
pub fn probe(path: &Path, stream: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("ffprobe");
    let entries = format!("packet={}", fields.join(","));
    command.args([
        "-v",
        "warning",
        "-show_data_hash",
        "MD5",
        "-select_streams",
        stream,
        "-show_entries",
        &entries,
    ]);
    let text = String::from_utf8(run(command.arg(path))).unwrap();
    let field = |packet: &str, field: &&str| {
        let value = packet.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {field} in {packet}")).to_owned()
    };
    let packets = text.split("[PACKET]").skip(1);
    packets.map(|packet| fields.iter().map(|name| field(packet, name)).collect()).collect()
}

/// Each picture of a file, as it is shown, in sRGB.
pub fn pictures_of(path: &Path) -> Vec<Vec<u8>> {
    let size = stream_fields(path, "v", &["width", "height"]);
    let side = |index: usize| size[index].parse::<usize>().unwrap();
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "warning", "-i"]).arg(path);
    command.args(["-map", "0:v", "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]);
    run(&mut command).chunks_exact(side(0) * side(1) * 3).map(<[u8]>::to_vec).collect()
}

/// All samples of the sound, of the left channel.
pub fn sound_of(path: &Path) -> Vec<i16> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "warning", "-i"]).arg(path);
    command.args(["-map", "0:a", "-ac", "2", "-f", "s16le", "-"]);
    run(&mut command).chunks_exact(4).map(|both| i16::from_le_bytes([both[0], both[1]])).collect()
}

/// What ffprobe says of a stream.
pub fn stream_fields(path: &Path, stream: &str, fields: &[&str]) -> Vec<String> {
    let mut command = Command::new("ffprobe");
    let entries = format!("stream={}", fields.join(","));
    command.args(["-v", "warning", "-select_streams", stream, "-show_entries", &entries]).arg(path);
    let text = String::from_utf8(run(&mut command)).unwrap();
    let field =
        |field: &&str| text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix('=')).unwrap();
    fields.iter().map(|name| field(name).to_owned()).collect()
}

/// How alike two pictures are, in dB; 99 if they are the same.
pub fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let square = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
    let mean = a.iter().zip(b).map(square).sum::<f64>() / a.len() as f64;
    if mean == 0.0 { 99.0 } else { 10.0 * (255.0 * 255.0 / mean).log10() }
}

/// A session in a store.
pub struct Recorded {
    pub dir: TempDir,
    pub store: ChunkStore,
    pub manifest: Manifest,
}

impl Recorded {
    pub fn export(
        &self,
        plan: &Plan,
        out: &Path,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Exported, ExportError> {
        export(&self.store, &self.manifest, plan, &self.work(), out, progress)
    }

    /// Where exports keep what they encode.
    pub fn work(&self) -> std::path::PathBuf {
        self.store.dir().join("exports")
    }

    pub fn out(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Init and chunks end to end, as a player gets them, from the `first` chunk on.
    pub fn stream(&self, track: usize, first: usize) -> Vec<u8> {
        let track = &self.manifest.tracks[track];
        let init =
            self.store.init(self.manifest.meta.id, &track.track.id, &track.track.inits[0].hash).unwrap();
        let chunks = track.chunks[first..].iter().map(|chunk| self.store.read(&chunk.id).unwrap());
        std::iter::once(init.bytes).chain(chunks).collect::<Vec<_>>().concat()
    }

    pub fn chunk_path(&self, id: &ChunkId) -> std::path::PathBuf {
        let folder = self.store.dir().join("sessions").join(id.session.to_string()).join(id.track.as_str());
        let prefix = format!("{:06}-", id.index);
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files
            .into_iter()
            .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&prefix))
            .unwrap()
    }
}

/// A key that is always there.
struct OneKey(Arc<Key>);

impl Keys for OneKey {
    fn find(&self, id: KeyId) -> Option<Arc<Key>> {
        (self.0.id() == id).then(|| Arc::clone(&self.0))
    }
}

/// Records pieces as the engine would.
pub fn store(tracks: Vec<(TrackKind, &str, Vec<Piece>)>, gaps: &[Span]) -> Recorded {
    store_with(None, tracks, gaps)
}

/// The same, perhaps encrypted.
fn store_with(key: Option<Key>, tracks: Vec<(TrackKind, &str, Vec<Piece>)>, gaps: &[Span]) -> Recorded {
    let dir = tempfile::tempdir().unwrap();
    let id = key.as_ref().map(Key::id);
    let keys: Arc<dyn Keys> = match key {
        Some(key) => Arc::new(OneKey(Arc::new(key))),
        None => Arc::new(NoKeys),
    };
    let (store, _) = ChunkStore::open_with(Arc::new(OsFs), keys, &dir.path().join("data")).unwrap();
    let meta = SessionMeta {
        version: SessionMeta::VERSION,
        id: session(),
        recording: RecordingId(Uuid::from_u128(1)),
        title: "Film".into(),
        description: String::new(),
        metadata: BTreeMap::new(),
        mode: Mode::Program,
        retention: Retention::KeepAll,
        started_at: UtcTime(0),
        chunk: ChunkPolicy::CHUNK,
        state: SessionState::Recording,
        tracks: Vec::new(),
        gaps: Vec::new(),
        lost: None,
        layouts: Vec::new(),
        check: None,
        marks: Vec::new(),
        trashed_at: None,
        key: id,
    };
    let mut writer = store.begin(meta).unwrap();
    for (kind, label, pieces) in tracks {
        let id = pieces[0].track().clone();
        writer.add_track(TrackInfo { id, kind, label: label.into(), inits: Vec::new() }).unwrap();
        for piece in pieces {
            writer.write(piece).unwrap();
        }
    }
    for span in gaps {
        writer.gap(Gap { track: None, span: *span, reason: GapReason::Paused }).unwrap();
    }
    let session = writer.finalize(SessionState::Finalized).unwrap().meta.id;
    let manifest = store.manifest(session).unwrap();
    Recorded { dir, store, manifest }
}

pub fn session() -> SessionId {
    SessionId(Uuid::from_u128(7))
}

/// A chunker for one of the film's tracks.
pub fn chunker(track: &str, codec: &CodecConfig) -> Chunker {
    Chunker::new(session(), track.parse().unwrap(), codec, ChunkPolicy::default(), 1).unwrap()
}

pub fn drain(chunker: &mut Chunker) -> Vec<Piece> {
    std::iter::from_fn(|| chunker.poll()).collect()
}

/// The film, recorded as it is.
pub fn recorded() -> Recorded {
    record_film(film(), &[])
}

/// A film as a session, with nothing recorded within the gaps.
pub fn record_film(film: &Film, gaps: &[Span]) -> Recorded {
    store(tracks_of(film, gaps), gaps)
}

/// A film as an encrypted session.
pub fn record_film_encrypted(film: &Film) -> Recorded {
    store_with(Some(Key::random().unwrap()), tracks_of(film, &[]), &[])
}

fn tracks_of(film: &Film, gaps: &[Span]) -> Vec<(TrackKind, &'static str, Vec<Piece>)> {
    let end = Timestamp::from_ticks(film.pictures.len() as i64, FPS as u32);
    let tracks = [
        (TrackKind::Program, "program", &film.h264, &film.pictures),
        (TrackKind::Mix, "mix", &film.aac, &film.sounds),
    ];
    let tracks = tracks.map(|(kind, name, codec, packets)| {
        let mut chunker = chunker(name, codec);
        for packet in packets {
            if let Some(gap) = gaps.iter().find(|gap| gap.contains(packet.at)) {
                chunker.seal(gap.start);
                continue;
            }
            chunker.push(packet.clone()).unwrap();
        }
        chunker.seal(end);
        (kind, name, drain(&mut chunker))
    });
    tracks.into()
}

pub fn millis(millis: i64) -> Timestamp {
    Timestamp(millis * 1_000_000)
}

/// Exports are not interrupted here.
pub fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A copy of what was recorded.
pub fn copy(container: Container, cut: Option<Span>, check: Check) -> Plan {
    Plan { cut, check, ..Plan::new(container) }
}
