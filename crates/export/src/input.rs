//! What people did while it was recorded, done again: input events become the overlay that the recorder drew.
//!
//! Begins at the keyframe before an instant, which says all that held there. Where a chunk is lost, what held before it
//! stands.

use crate::source::Track;
use codec::ReadChunk;
use compose::Overlay;
use media::samples;
use model::{ChunkId, CodecConfig, Frame, InputSample, Layout, Size, Timestamp};
use std::collections::VecDeque;

/// The input track of a session, replayed.
pub(crate) struct Input<'a> {
    track: Track,
    read: ReadChunk<'a>,
    overlay: Overlay,
    /// Until when events have been applied.
    now: Timestamp,
    next_chunk: usize,
    pending: VecDeque<(Timestamp, InputSample)>,
    /// What held before the next sample is not known.
    anew: bool,
    lost: Vec<ChunkId>,
}

impl<'a> Input<'a> {
    pub fn new(track: Track, read: ReadChunk<'a>) -> Self {
        Self {
            track,
            read,
            overlay: Overlay::default(),
            now: Timestamp(i64::MAX),
            next_chunk: 0,
            pending: VecDeque::new(),
            anew: true,
            lost: Vec::new(),
        }
    }

    /// Makes it as it was at `at`, drawn as the layout says.
    pub fn advance(&mut self, at: Timestamp, layout: &Layout) {
        if at < self.now {
            self.begin(at);
        }
        self.overlay.set_style(layout.pointer, layout.keys);
        self.now = at;
        loop {
            while self.pending.front().is_some_and(|(time, _)| *time <= at) {
                if let Some((time, sample)) = self.pending.pop_front() {
                    self.apply(time, sample);
                }
            }
            let due = self.track.chunks.get(self.next_chunk).is_some_and(|chunk| chunk.span.start <= at);
            if !self.pending.is_empty() || !due {
                return;
            }
            self.read_next();
        }
    }

    /// At the newest chunk before `at` that can be read.
    fn begin(&mut self, at: Timestamp) {
        self.overlay = Overlay::default();
        self.anew = true;
        self.pending.clear();
        self.next_chunk = self.track.chunks.partition_point(|chunk| chunk.span.start <= at);
        while self.pending.is_empty() && self.next_chunk > 0 {
            self.next_chunk -= 1;
            self.read_next();
            if self.pending.is_empty() {
                self.next_chunk -= 1;
            }
        }
    }

    /// When it looks different the next time, as far as is known without decoding.
    pub fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        let chunks = &self.track.chunks;
        let after = chunks.partition_point(|chunk| chunk.span.start <= at);
        let within = |place: usize| {
            samples(&chunks[place], &CodecConfig::Json).map(|sample| sample.at).find(|time| *time > at)
        };
        let event = after.checked_sub(1).and_then(within);
        let event = event.or_else(|| chunks.get(after).map(|chunk| chunk.span.start));
        event.into_iter().chain(self.overlay.next_change(at)).min()
    }

    /// The size of the picture that the overlays lie over, if it is known.
    pub fn size(&self) -> Option<Size> {
        self.overlay.state().picture
    }

    pub fn drawings(&mut self, at: Timestamp) -> Option<Frame> {
        self.overlay.drawings(at)
    }

    pub fn pointer(&mut self, at: Timestamp) -> Option<Frame> {
        self.overlay.pointer(at)
    }

    /// Chunks that could not be read since this was asked last.
    pub fn take_lost(&mut self) -> Vec<ChunkId> {
        std::mem::take(&mut self.lost)
    }

    fn read_next(&mut self) {
        let chunk = &self.track.chunks[self.next_chunk];
        self.next_chunk += 1;
        let bytes = (self.read)(chunk);
        self.anew |= bytes.is_none();
        let bytes = bytes.unwrap_or_default();
        for sample in samples(chunk, &CodecConfig::Json) {
            let packet = sample.packet(&bytes);
            match packet.and_then(|packet| serde_json::from_slice(&packet.bytes).ok()) {
                Some(document) => self.pending.push_back((sample.at, document)),
                // Gone, or written by another version: what comes later may be readable.
                None => {
                    self.lost.push(chunk.id.clone());
                    return;
                }
            }
        }
    }

    fn apply(&mut self, at: Timestamp, sample: InputSample) {
        if let Some(state) = sample.state.filter(|_| self.anew) {
            self.overlay.restore(&state);
            self.anew = false;
        }
        sample.events.iter().for_each(|event| self.overlay.apply(event, at));
    }
}
