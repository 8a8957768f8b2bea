//! A recording without end on simulated time: a picture track, three of sound and what people do, packet by packet
//! through the real chunker. An hour of it takes seconds.

use crate::{
    Random,
    script::{aac, h264, meta, track},
};
use bytes::Bytes;
use media::{ChunkPolicy, Chunker};
use model::{
    Annotation, CodecConfig, Color, Drawing, InputEvent, InputSample, InputState, Layout, LayoutChange, Mode,
    Packet, Point, SessionId, SessionMeta, Size, Timestamp, Tool, TrackId, TrackKind,
};
use std::time::Duration;
use store::{ChunkStore, SessionWriter, StoreError};

const AUDIO_RATE: u32 = 48_000;
const AAC_FRAME: i64 = 1024;
const FPS: u32 = 30;
const MINUTE: i64 = 60_000_000_000;
/// Between two layouts.
const ARRANGEMENT: i64 = 15 * MINUTE;
/// Between two movements of the pointer.
const MOVEMENT: Duration = Duration::from_millis(50);
/// Between two pictures where nothing moves.
const STILL: Duration = Duration::from_secs(1);

/// What comes next of a track.
enum Lane {
    Pictures { next: Timestamp },
    Sound { count: i64 },
    Input { next: Timestamp, state: Box<InputState>, drawn: u64 },
}

/// A session that is being written. Every other minute is lively: 30 pictures a second, the pointer moves, people
/// draw; the others stand still. Each quarter of an hour the layout changes.
pub struct Day {
    writer: SessionWriter,
    tracks: Vec<(TrackId, Chunker, Lane)>,
    chunk: Duration,
    now: Timestamp,
    noise: Bytes,
    random: Random,
    packets: u64,
}

impl Day {
    /// Begins the session.
    pub fn begin(store: &ChunkStore, session: SessionId) -> Result<Self, StoreError> {
        let policy = ChunkPolicy::default();
        let first = Timestamp::ZERO;
        let lanes = [
            ("program", TrackKind::Program, h264(Size::new(320, 180)), Lane::Pictures { next: first }),
            ("mix", TrackKind::Mix, aac(), Lane::Sound { count: -1 }),
            ("mic", TrackKind::Microphone, aac(), Lane::Sound { count: -1 }),
            ("system", TrackKind::SystemAudio, aac(), Lane::Sound { count: -1 }),
            (
                "input",
                TrackKind::Input,
                CodecConfig::Json,
                Lane::Input { next: first, state: Box::default(), drawn: 0 },
            ),
        ];
        let infos = lanes.iter().map(|(name, kind, ..)| track(name, *kind)).collect();
        let meta = SessionMeta { mode: Mode::Both, chunk: policy.chunk(), tracks: infos, ..meta(session) };
        let writer = store.begin(meta)?;
        let mut random = Random::new(24);
        let tracks = lanes.map(|(name, kind, codec, lane)| {
            let id = track(name, kind).id;
            let chunker = Chunker::new(session, id.clone(), &codec, policy, 1);
            (id, chunker.expect("the configurations are valid"), lane)
        });
        let noise = random.bytes(1 << 16).into();
        let (tracks, chunk) = (tracks.into(), policy.chunk());
        Ok(Self { writer, tracks, chunk, now: first, noise, random, packets: 0 })
    }

    /// Session time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Packets that went in so far.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Tracks that it writes.
    pub fn tracks(&self) -> impl Iterator<Item = &TrackId> {
        self.tracks.iter().map(|(id, ..)| id)
    }

    /// Lets this much time go by.
    pub fn record(&mut self, length: Duration) -> Result<(), StoreError> {
        let end = self.now + length;
        while self.now < end {
            if self.now.0 % ARRANGEMENT == 0 {
                let mut layout = Layout::default();
                layout.camera.shown = self.now.0 / ARRANGEMENT % 2 == 0;
                self.writer.layout(LayoutChange { at: self.now, layout })?;
            }
            self.now = self.now + ChunkPolicy::PART;
            for at in 0..self.tracks.len() {
                self.fill(at);
                let (_, chunker, _) = &mut self.tracks[at];
                chunker.advance(self.now);
                while let Some(piece) = chunker.poll() {
                    self.writer.write(piece)?;
                }
            }
        }
        Ok(())
    }

    /// Ends it.
    pub fn end(mut self) -> Result<SessionWriter, StoreError> {
        for (_, chunker, _) in &mut self.tracks {
            chunker.seal(self.now);
            while let Some(piece) = chunker.poll() {
                self.writer.write(piece)?;
            }
        }
        Ok(self.writer)
    }

    /// Everything of a track before now.
    fn fill(&mut self, at: usize) {
        while let Some(packet) = self.packet(at) {
            self.packets += 1;
            self.tracks[at].1.push(packet).expect("chunks begin with a keyframe, and time goes on");
        }
    }

    /// The next packet of a track, if it belongs before now.
    fn packet(&mut self, at: usize) -> Option<Packet> {
        let Self { tracks, now, chunk, noise, random, .. } = self;
        let lane = &mut tracks[at].2;
        let at = lane.next();
        if at >= *now {
            return None;
        }
        let keyframe = at.floor_to(*chunk) == at;
        // Every chunk begins on its boundary.
        let boundary = at.next_multiple(*chunk);
        let (mut duration, mut is_key) = (Duration::ZERO, keyframe);
        let bytes = match lane {
            Lane::Sound { count } => {
                *count += 1;
                (duration, is_key) = (Duration::from_nanos(21_333_333), true);
                piece(noise, random, 60, 400)
            }
            Lane::Pictures { next } => {
                *next = (at + if is_lively(at) { Duration::from_secs(1) / FPS } else { STILL }).min(boundary);
                let (least, most) = if keyframe { (2_000, 12_000) } else { (20, 2_500) };
                piece(noise, random, least, most)
            }
            Lane::Input { next, state, drawn } => {
                *next = if is_lively(at) { (at + MOVEMENT).min(boundary) } else { boundary };
                let events = if is_lively(at) { events(at, drawn) } else { Vec::new() };
                let sample = InputSample { state: keyframe.then(|| (**state).clone()), events };
                sample.events.iter().for_each(|event| state.apply(event, at));
                serde_json::to_vec(&sample).expect("samples are written as JSON").into()
            }
        };
        Some(Packet { at, duration, keyframe: is_key, bytes })
    }
}

impl Lane {
    /// When its next packet begins.
    fn next(&self) -> Timestamp {
        match self {
            Self::Sound { count } => Timestamp::from_ticks(*count * AAC_FRAME, AUDIO_RATE),
            Self::Pictures { next } | Self::Input { next, .. } => *next,
        }
    }
}

fn is_lively(at: Timestamp) -> bool {
    at.0 / MINUTE % 2 == 0
}

/// The pointer moves, and each second somebody draws a line that stays.
fn events(at: Timestamp, drawn: &mut u64) -> Vec<InputEvent> {
    let step = i32::try_from(at.0 / 50_000_000 % 1_000).unwrap_or_default();
    let place = Point { x: step, y: step / 2 };
    let mut events = vec![InputEvent::Pointer(place)];
    if at.0 % 1_000_000_000 == 0 {
        *drawn += 1;
        events.push(InputEvent::Annotation(Annotation::Draw(Drawing {
            id: *drawn,
            tool: Tool::Line,
            points: vec![Point::default(), place],
            color: Color::WHITE,
            width: 4,
            fade_after_ms: None,
        })));
    }
    events
}

/// Some bytes, without making any.
fn piece(noise: &Bytes, random: &mut Random, least: usize, most: usize) -> Bytes {
    let size = least + random.up_to(most - least);
    let from = random.up_to(noise.len() - size);
    noise.slice(from..from + size)
}
