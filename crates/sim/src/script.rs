//! A recording from a seed: everything that an engine asks of a store, in order, with pieces from the real chunker.

use crate::{Random, key};
use bytes::Bytes;
use media::{ChunkPolicy, Chunker};
use model::{
    CodecConfig, Gap, GapReason, Mark, Mode, Packet, Piece, RecordingId, Retention, SessionId, SessionMeta,
    SessionState, Size, Span, Timestamp, TrackId, TrackInfo, TrackKind, UtcTime,
};
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

const MILLI: i64 = 1_000_000;
const AUDIO_RATE: u32 = 48_000;
const AAC_FRAME: i64 = 1024;

/// A baseline H.264 configuration of 320×180.
const AVCC: &[u8] = &[
    0x01, 0x42, 0xc0, 0x0d, 0xff, 0xe1, 0x00, 0x17, 0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x06, 0x7e, 0x7c,
    0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x0f, 0x23, 0xc5, 0x0a, 0xa8, 0x01, 0x00, 0x04,
    0x68, 0xce, 0x0f, 0xc8,
];

/// One thing that an engine asks of a store.
#[derive(Debug, Clone)]
pub enum Step {
    /// A setting gets a value.
    Setting(String),
    /// A session begins.
    Begin(SessionMeta),
    /// A track is added to a session.
    AddTrack(SessionId, TrackInfo),
    /// A piece is written.
    Write(SessionId, Piece),
    /// A gap is noted.
    Gap(SessionId, Gap),
    /// A session gets another title.
    Rename(SessionId, String),
    /// An instant of a session is marked.
    Mark(SessionId, Mark),
    /// A session goes into the trash, or comes out of it.
    Trash(SessionId, Option<UtcTime>),
    /// A server has confirmed all that is sealed of a session.
    Confirm(SessionId),
    /// A session ends, whether or not its chunks are sealed.
    Finalize(SessionId),
    /// A session is deleted.
    Delete(SessionId),
}

/// A whole scenario.
#[derive(Debug, Clone)]
pub struct Script {
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// The `n`-th session of a script.
pub fn session_id(n: u32) -> SessionId {
    SessionId(Uuid::from_u128(0x0199_a3c4_0000_7000_8000_0000_0000_0000 + u128::from(n)))
}

/// What a session is begun with.
pub fn meta(session: SessionId) -> SessionMeta {
    SessionMeta {
        version: SessionMeta::VERSION,
        id: session,
        recording: RecordingId(Uuid::from_u128(session.0.as_u128() + (1 << 32))),
        title: "Standup".to_owned(),
        description: String::new(),
        metadata: BTreeMap::from([("room".to_owned(), "blue".to_owned())]),
        mode: Mode::Program,
        retention: Retention::KeepAll,
        started_at: UtcTime(1_764_000_000_000),
        chunk: ChunkPolicy::CHUNK_MIN,
        state: SessionState::Recording,
        tracks: Vec::new(),
        gaps: Vec::new(),
        lost: None,
        layouts: Vec::new(),
        check: None,
        marks: Vec::new(),
        trashed_at: None,
        key: None,
    }
}

impl Script {
    /// Three sessions, one after the other: the first with a new picture size, a gap, a new title and marks, put into
    /// the trash and deleted while the second is written; the second finalized with its chunks still open, and put into
    /// the trash; the third never ended. A server confirms some of the first two meanwhile.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut steps = vec![Step::Setting(seed.to_string())];
        let mut first = Recorder::begin(session_id(1), &mut steps, random.number());
        first.record(2_300 + random.up_to(500) as i64, &mut steps);
        first.resize(Size::new(640, 360), &mut steps);
        first.record(2_900, &mut steps);
        first.pause(1_000 + random.up_to(4_000) as i64, &mut steps);
        steps.push(Step::Rename(first.session, format!("Renamed {seed}")));
        first.mark("while it is recorded", &mut steps);
        first.record(6_000 + random.up_to(4_000) as i64, &mut steps);
        first.stop(&mut steps);
        first.mark("afterwards", &mut steps);
        steps.push(Step::Confirm(first.session));
        steps.push(Step::Trash(first.session, Some(UtcTime(1_764_000_100_000))));
        steps.push(Step::Trash(first.session, None));
        steps.push(Step::Trash(first.session, Some(UtcTime(1_764_000_200_000))));
        let mut second = Recorder::begin(session_id(2), &mut steps, random.number());
        second.record(2_600, &mut steps);
        steps.push(Step::Confirm(second.session));
        steps.push(Step::Delete(first.session));
        second.record(2_900 + random.up_to(900) as i64, &mut steps);
        steps.push(Step::Finalize(second.session));
        steps.push(Step::Trash(second.session, Some(UtcTime(1_764_000_300_000))));
        let mut third = Recorder::begin(session_id(3), &mut steps, random.number());
        third.record(2_400 + random.up_to(2_000) as i64, &mut steps);
        Self { steps }
    }

    /// The same with all sessions encrypted.
    #[must_use]
    pub fn encrypted(mut self) -> Self {
        for step in &mut self.steps {
            if let Step::Begin(meta) = step {
                meta.key = Some(key().id());
            }
        }
        self
    }

    /// One session of this length, finalized.
    pub fn session(session: SessionId, seed: u64, length: Duration) -> Self {
        let mut steps = Vec::new();
        let mut recorder = Recorder::begin(session, &mut steps, seed);
        recorder.record(i64::try_from(length.as_millis()).unwrap_or(i64::MAX), &mut steps);
        recorder.stop(&mut steps);
        Self { steps }
    }
}

/// Makes the steps of one session with a picture and a sound track.
struct Recorder {
    session: SessionId,
    random: Random,
    video: Chunker,
    audio: Chunker,
    video_at: i64,
    /// Sound packets since the last gap, and where that ended.
    audio_count: i64,
    audio_from: i64,
    keyframe_at: i64,
}

impl Recorder {
    fn begin(session: SessionId, steps: &mut Vec<Step>, seed: u64) -> Self {
        let program = track("program", TrackKind::Program);
        let mix = track("mix", TrackKind::Mix);
        let chunker = |track: &TrackInfo, codec: &CodecConfig| {
            let policy = ChunkPolicy::new(ChunkPolicy::CHUNK_MIN).expect("the shortest chunk is allowed");
            Chunker::new(session, track.id.clone(), codec, policy, 1).expect("the configurations are valid")
        };
        let (video, audio) = (chunker(&program, &h264(Size::new(320, 180))), chunker(&mix, &aac()));
        steps.push(Step::Begin(SessionMeta { tracks: vec![program], ..meta(session) }));
        steps.push(Step::AddTrack(session, mix));
        let random = Random::new(seed);
        Self { session, random, video, audio, video_at: 0, audio_count: -1, audio_from: 0, keyframe_at: 0 }
    }

    fn record(&mut self, until_ms: i64, steps: &mut Vec<Step>) {
        let until = until_ms * MILLI;
        while self.video_at.min(self.audio_at()) < until {
            if self.audio_at() < self.video_at {
                self.push_audio()
            } else {
                self.push_video()
            }
            self.collect(steps);
        }
    }

    fn audio_at(&self) -> i64 {
        self.audio_from + Timestamp::from_ticks(self.audio_count * AAC_FRAME, AUDIO_RATE).0
    }

    fn push_audio(&mut self) {
        let packet = Packet {
            at: Timestamp(self.audio_at()),
            duration: Duration::from_nanos(21_333_333),
            keyframe: true,
            bytes: self.payload(60, 400),
        };
        self.audio.push(packet).expect("sound follows sound");
        self.audio_count += 1;
    }

    fn push_video(&mut self) {
        let keyframe = self.video_at >= self.keyframe_at;
        if keyframe {
            let chunk = ChunkPolicy::CHUNK_MIN;
            self.keyframe_at = Timestamp(self.video_at).next_multiple(chunk).0;
        }
        let bytes = if keyframe { self.payload(2_000, 12_000) } else { self.payload(20, 2_500) };
        let packet = Packet { at: Timestamp(self.video_at), duration: Duration::ZERO, keyframe, bytes };
        self.video.push(packet).expect("chunks begin with a keyframe");
        // 30 a second at most, and now and then a picture that stands still for a while.
        let wait = if self.random.chance(5) { 400 } else { 33 + self.random.up_to(34) as i64 };
        // Every chunk begins at its boundary.
        self.video_at = (self.video_at + wait * MILLI).min(self.keyframe_at.max(self.video_at + MILLI));
    }

    fn payload(&mut self, least: usize, most: usize) -> Bytes {
        let size = least + self.random.up_to(most - least);
        self.random.bytes(size).into()
    }

    fn resize(&mut self, size: Size, steps: &mut Vec<Step>) {
        self.video.reconfigure(&h264(size), Timestamp(self.video_at)).expect("the configuration is valid");
        self.keyframe_at = self.video_at;
        self.collect(steps);
    }

    fn pause(&mut self, length_ms: i64, steps: &mut Vec<Step>) {
        let start = self.video_at.max(self.audio_at());
        let span = Span::new(Timestamp(start), Timestamp(start + length_ms * MILLI));
        self.video.seal(span.start);
        self.audio.seal(span.start);
        self.collect(steps);
        steps.push(Step::Gap(self.session, Gap { track: None, span, reason: GapReason::Paused }));
        (self.video_at, self.keyframe_at) = (span.end.0, span.end.0);
        (self.audio_from, self.audio_count) = (span.end.0, 0);
    }

    fn mark(&mut self, label: &str, steps: &mut Vec<Step>) {
        let mark = Mark { at: Timestamp(self.video_at), label: label.to_owned() };
        steps.push(Step::Mark(self.session, mark));
    }

    fn stop(&mut self, steps: &mut Vec<Step>) {
        let end = Timestamp(self.video_at.max(self.audio_at()));
        self.video.seal(end);
        self.audio.seal(end);
        self.collect(steps);
        steps.push(Step::Finalize(self.session));
    }

    fn collect(&mut self, steps: &mut Vec<Step>) {
        for chunker in [&mut self.video, &mut self.audio] {
            while let Some(piece) = chunker.poll() {
                steps.push(Step::Write(self.session, piece));
            }
        }
    }
}

pub(crate) fn track(name: &str, kind: TrackKind) -> TrackInfo {
    let id: TrackId = name.parse().expect("the names are valid");
    TrackInfo { id, kind, label: format!("Simulated {name}"), inits: Vec::new() }
}

pub(crate) fn h264(size: Size) -> CodecConfig {
    CodecConfig::H264 { size, avcc: Bytes::from_static(AVCC) }
}

pub(crate) fn aac() -> CodecConfig {
    CodecConfig::Aac {
        rate: AUDIO_RATE,
        channels: 2,
        asc: Bytes::from_static(&[0x11, 0x90]),
        priming: 1024,
        bitrate: 128_000,
    }
}
