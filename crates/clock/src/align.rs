//! One source's sound on the session's grid: sample `n` is at `n` divided by the rate, exactly.

use crate::{channels::stereo, resample::Resampler};
use model::{AudioBlock, Span, Timestamp};
use std::{collections::VecDeque, time::Duration};

/// A stamp further than this from where the sound before it ends is no drift: something is missing, or twice.
const TOLERANCE: Duration = Duration::from_millis(20);
/// A stamp this far ahead of all sound so far is an error of the device. Whoever knows the time calls `advance`.
const AHEAD_MAX: Duration = Duration::from_secs(30);
/// A device's first stamps are its worst. Until a run is this old, it begins anew at a stamp that deviates by more
/// than this, since to stretch so much would take long and be heard.
const YOUNG: Duration = Duration::from_millis(600);
const YOUNG_TOLERANCE: Duration = Duration::from_millis(3);
/// Samples of sound that rise from silence or fall to it: 3 ms at 48 kHz.
const FADE: usize = 144;
/// Share by which sound is stretched at most.
const DRIFT_MAX: f64 = 1e-3;
/// Seconds over which deviations are averaged before they are acted on.
const SMOOTHING: f64 = 0.5;
/// Share of a deviation that is made up for in a second,
const PULL: f64 = 0.4;
/// and the deviation from which on it is no more than for this one, so that the pitch stays within 2e-4.
const DEVIATION_MAX: f64 = 5e-4;
/// Gaps that wait to be polled; more are joined.
const GAPS_MAX: usize = 64;
/// Rates that a device can mean.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// Takes blocks as a source gives them, of any rate and number of channels, and gives gapless stereo.
///
/// Stamps decide. What deviates a little is resampled to follow them, what is missing becomes silence where it is
/// missing, what comes twice or too late is cut.
#[derive(Debug)]
pub struct AudioAligner {
    rate: u32,
    resampler: Option<Resampler>,
    /// Whether the last block can be continued.
    running: bool,
    /// Samples of the run so far, for the fade at its start.
    risen: usize,
    /// Seconds of sound since the source was heard first, or again after a gap.
    age: f64,
    steering: Steering,
    /// The next sample to be read.
    read: i64,
    /// The next sample to be written.
    written: i64,
    queue: VecDeque<Stretch>,
    heard: bool,
    silent_since: Option<Timestamp>,
    gaps: VecDeque<Span>,
}

/// Silence takes no memory, so a gap of hours costs nothing.
#[derive(Debug)]
enum Stretch {
    Sound(VecDeque<[f32; 2]>),
    Silence(i64),
}

/// Follows the stamps of a run: a second-order loop, so that a constant drift leaves no constant error.
#[derive(Debug, Default)]
struct Steering {
    deviation: f64,
    learned: f64,
}

impl Steering {
    /// The stretch to go on with, after a block of this length came this much later than the sound before it ended.
    fn drift_after(&mut self, late: f64, seconds: f64) -> f64 {
        self.deviation += (late - self.deviation) * (1.0 - (-seconds / SMOOTHING).exp());
        self.learned += self.pulling() * seconds * PULL * PULL / 4.0;
        self.learned = self.learned.clamp(-DRIFT_MAX, DRIFT_MAX);
        self.drift()
    }

    fn drift(&self) -> f64 {
        (self.learned + self.pulling() * PULL).clamp(-DRIFT_MAX, DRIFT_MAX)
    }

    fn pulling(&self) -> f64 {
        self.deviation.clamp(-DEVIATION_MAX, DEVIATION_MAX)
    }
}

impl AudioAligner {
    /// A grid of `rate` samples a second, beginning at time zero.
    pub fn new(rate: u32) -> Self {
        Self {
            rate: rate.clamp(*RATES.start(), *RATES.end()),
            resampler: None,
            running: false,
            risen: 0,
            age: 0.0,
            steering: Steering::default(),
            read: 0,
            written: 0,
            queue: VecDeque::new(),
            heard: false,
            silent_since: None,
            gaps: VecDeque::new(),
        }
    }

    /// The source's next sound. Blocks come in the order of their stamps; what is before the grid's end is cut.
    pub fn push(&mut self, block: &AudioBlock) {
        if !RATES.contains(&block.rate) || block.frames() == 0 {
            return;
        }
        if self.running && !self.continues(block) {
            self.end_run();
        }
        if self.running {
            self.write(block, 0);
        } else {
            self.begin_run(block);
        }
    }

    /// No sound before `to` will come any more: what is missing up to there is silence.
    pub fn advance(&mut self, to: Timestamp) {
        if self.running && self.input_end() >= to {
            return;
        }
        let to = self.first_at(to);
        if to > self.written {
            self.end_run();
            self.silence(to);
        }
    }

    /// The gapless sound from [`Self::position`] up to `until`, as far as it is there, at most a second: call it
    /// until it gives none. Two channels; its stamp is exactly the place of its first sample.
    pub fn read(&mut self, until: Timestamp) -> AudioBlock {
        let at = self.position();
        let end = self.first_at(until).min(self.ready_index()).min(self.read + i64::from(self.rate));
        let mut samples = Vec::with_capacity(usize::try_from(end - self.read).unwrap_or(0) * 2);
        while self.read < end {
            let wanted = end - self.read;
            let (taken, empty) = match self.queue.front_mut() {
                Some(Stretch::Sound(sound)) => take_sound(sound, wanted, &mut samples),
                Some(Stretch::Silence(left)) => take_silence(left, wanted, &mut samples),
                None => break,
            };
            self.read += taken;
            if empty {
                self.queue.pop_front();
            }
        }
        AudioBlock { at, rate: self.rate, channels: 2, samples }
    }

    /// The time of the next sample to be read.
    pub fn position(&self) -> Timestamp {
        Timestamp::from_ticks(self.read, self.rate)
    }

    /// Up to where sound can be read now. A few milliseconds behind the newest block.
    pub fn ready(&self) -> Timestamp {
        Timestamp::from_ticks(self.ready_index(), self.rate)
    }

    /// The next stretch that was filled with silence because its sound was missing; told once it has ended. The
    /// time before a source's first sound is none.
    pub fn poll_gap(&mut self) -> Option<Span> {
        self.gaps.pop_front()
    }

    /// The stretch of silence that sound has not ended yet.
    pub fn open_gap(&self) -> Option<Span> {
        let end = Timestamp::from_ticks(self.written, self.rate);
        self.silent_since.map(|start| Span::new(start, end)).filter(|gap| gap.duration() > TOLERANCE)
    }

    /// How much faster than the grid the source's crystal runs, in millionths, as far as it is learned.
    pub fn drift_ppm(&self) -> f64 {
        // What comes too early lasted too long on its own clock's count: the stretch has the other sign.
        -self.steering.learned * 1e6
    }

    /// How far the source's stamps lie from where its sound is put, in seconds, smoothed: what is still to be put
    /// right. Positive is late.
    pub fn deviation(&self) -> f64 {
        self.steering.deviation
    }

    /// Goes on at `at`, after a time in which the whole session stood still. What was not read is gone, sound
    /// before `at` will be cut. What is known of the drift stays.
    pub fn restart(&mut self, at: Timestamp) {
        self.running = false;
        self.steering.deviation = 0.0;
        self.queue.clear();
        self.silent_since = None;
        self.heard = false;
        self.age = 0.0;
        self.written = self.first_at(at).max(0);
        self.read = self.written;
    }

    /// The first sample at or after `at`.
    fn first_at(&self, at: Timestamp) -> i64 {
        let ticks = (i128::from(at.0) * i128::from(self.rate) + 999_999_999).div_euclid(1_000_000_000);
        // A grid of at most 192 kHz over 2^63 ns.
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }

    /// What may still have to fade out is held back.
    fn ready_index(&self) -> i64 {
        let held = if self.running { FADE.min(self.risen) as i64 } else { 0 };
        self.written - held
    }

    /// When the run ends, by its stamps and the drift so far.
    fn input_end(&self) -> Timestamp {
        let pending = self.resampler.as_ref().map_or(0.0, Resampler::pending);
        Timestamp::from_ticks(self.written, self.rate) + seconds(pending / f64::from(self.rate))
    }

    /// Whether the block follows on the one before it. If so, the drift follows its stamp.
    fn continues(&mut self, block: &AudioBlock) -> bool {
        let late = (block.at.0 as f64 - self.input_end().0 as f64) / 1e9;
        let Some(resampler) =
            self.resampler.as_mut().filter(|resampler| resampler.input_rate() == block.rate)
        else {
            return false;
        };
        let length = block.frames() as f64 / f64::from(block.rate);
        let tolerance = if self.age < YOUNG.as_secs_f64() { YOUNG_TOLERANCE } else { TOLERANCE };
        let follows = late.abs() <= tolerance.as_secs_f64();
        if follows {
            self.age += length;
            resampler.set_drift(self.steering.drift_after(late, length));
        }
        follows
    }

    fn begin_run(&mut self, block: &AudioBlock) {
        let end = Timestamp::from_ticks(self.written, self.rate);
        if block.at > end + AHEAD_MAX {
            return;
        }
        let input_rate = f64::from(block.rate);
        let past = end.saturating_since(block.at).as_secs_f64();
        let cut = (past * input_rate) as usize;
        if cut >= block.frames() {
            return;
        }
        // From here on all is relative to the first sample that is kept: it lies at or before `first`.
        let start = block.at + seconds(cut as f64 / input_rate);
        let first = self.first_at(start).max(self.written);
        let phase =
            Timestamp::from_ticks(first, self.rate).saturating_since(start).as_secs_f64() * input_rate;
        self.silence(first);
        if self.open_gap().is_some() {
            self.age = 0.0;
        }
        self.close_gap();
        let resampler = match self.resampler.take().filter(|resampler| resampler.input_rate() == block.rate) {
            Some(resampler) => resampler,
            None => Resampler::new(block.rate, self.rate),
        };
        self.steering.deviation = 0.0;
        self.resampler.insert(resampler).begin(phase, self.steering.drift());
        self.running = true;
        self.heard = true;
        self.risen = 0;
        self.queue.push_back(Stretch::Sound(VecDeque::new()));
        self.write(block, cut);
    }

    fn write(&mut self, block: &AudioBlock, cut: usize) {
        let (Some(resampler), Some(Stretch::Sound(sound))) = (&mut self.resampler, self.queue.back_mut())
        else {
            return;
        };
        let kept = &block.samples[cut * usize::from(block.channels.max(1))..];
        resampler.push(stereo(kept, block.channels), |pair| {
            sound.push_back(rise(pair, self.risen));
            self.risen = (self.risen + 1).min(FADE);
            self.written += 1;
        });
    }

    fn end_run(&mut self) {
        if !std::mem::take(&mut self.running) {
            return;
        }
        let (Some(resampler), Some(Stretch::Sound(sound))) = (&mut self.resampler, self.queue.back_mut())
        else {
            return;
        };
        resampler.finish(|pair| {
            sound.push_back(rise(pair, self.risen));
            self.risen = (self.risen + 1).min(FADE);
            self.written += 1;
        });
        for (step, pair) in sound.iter_mut().rev().take(FADE).enumerate() {
            *pair = rise(*pair, step);
        }
    }

    fn silence(&mut self, to: i64) {
        let count = to - self.written;
        if count <= 0 {
            return;
        }
        if self.heard {
            self.silent_since.get_or_insert(Timestamp::from_ticks(self.written, self.rate));
        }
        match self.queue.back_mut() {
            Some(Stretch::Silence(before)) => *before += count,
            _ => self.queue.push_back(Stretch::Silence(count)),
        }
        self.written = to;
    }

    fn close_gap(&mut self) {
        let Some(gap) = self.open_gap() else {
            self.silent_since = None;
            return;
        };
        self.silent_since = None;
        let full = self.gaps.len() >= GAPS_MAX;
        match self.gaps.back_mut() {
            Some(last) if full => last.end = gap.end,
            _ => self.gaps.push_back(gap),
        }
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::ZERO)
}

/// A sample of sound, `step` samples away from silence.
fn rise(pair: [f32; 2], step: usize) -> [f32; 2] {
    if step >= FADE {
        return pair;
    }
    let gain = (step as f32 + 0.5) / FADE as f32;
    [pair[0] * gain, pair[1] * gain]
}

fn take_sound(sound: &mut VecDeque<[f32; 2]>, wanted: i64, to: &mut Vec<f32>) -> (i64, bool) {
    let count = sound.len().min(usize::try_from(wanted).unwrap_or(0));
    to.extend(sound.drain(..count).flatten());
    (count as i64, sound.is_empty())
}

fn take_silence(left: &mut i64, wanted: i64, to: &mut Vec<f32>) -> (i64, bool) {
    let count = wanted.min(*left);
    to.extend(std::iter::repeat_n(0.0, 2 * usize::try_from(count).unwrap_or(0)));
    *left -= count;
    (count, *left == 0)
}
