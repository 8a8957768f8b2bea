//! Waveforms: how loud a recording is over its length. Decoded once, then kept in a few kilobytes on disk.
//!
//! Owns: the folder of them within the cache. Everything there can be made again, so what is not whole is made again.

use super::{film, find, playing::Playing};
use crate::{command::Reply, error::EngineError};
use codec::{AudioDecoder, CodecError};
use model::{AudioBlock, Hash, SessionId, SessionState, TrackId};
use std::{
    fs, io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use store::{ChunkOutline, ChunkStore, Cover, StoreError};

/// The folder within the data folder in which lies only what can be made again.
const CACHE: &str = "cache";
/// What tells backups to leave it out (https://bford.info/cachedir/).
const TAG: (&str, &str) =
    ("CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# Spool can make all of this again.\n");
const FOLDER: &str = "waveforms";
/// As many peaks are kept of each recording, and as many spans can be asked for.
const PEAKS: usize = 4096;
/// Bytes of the peaks' hash behind them.
const SUM: usize = 8;

/// Waveforms of recordings.
#[derive(Default)]
pub(crate) struct Waveforms {
    /// Held by whoever makes one.
    making: Mutex<()>,
}

impl Waveforms {
    /// The peaks of so many equal spans.
    pub(crate) fn waveform(&self, store: &ChunkStore, id: &str, spans: u32) -> Result<Reply, EngineError> {
        let wanted = usize::try_from(spans).ok().filter(|spans| (1..=PEAKS).contains(spans));
        let wanted = wanted
            .ok_or_else(|| EngineError::Invalid(format!("a waveform has 1 to {PEAKS} spans, not {spans}")))?;
        let session = find(store, id)?;
        let summary = store.session(session)?;
        if summary.meta.state == SessionState::Recording {
            return Err(StoreError::Live { session }.into());
        }
        let kept = Kept { path: path(store, session), cover: store.cover(session)? };
        if let Some(peaks) = kept.read() {
            return Ok(Reply::Waveform(coarser(&peaks, wanted)));
        }
        let _one_at_a_time = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(peaks) = kept.read() {
            return Ok(Reply::Waveform(coarser(&peaks, wanted)));
        }
        let chunks = store.outlines(session)?;
        let has = |track: &TrackId| chunks.iter().any(|chunk| chunk.id.track == *track);
        let track = film::sound(&summary.meta.tracks, &has).ok_or(EngineError::NoSound)?.id.clone();
        let mut listener = Listener::new(Playing::stored(store, &summary)?);
        let whole = listener.hear(store, chunks.iter().filter(|chunk| chunk.id.track == track))?;
        // What could not be read today may be readable tomorrow.
        if whole && let Err(error) = kept.write(store, &listener.peaks) {
            tracing::warn!(%error, "cannot keep a waveform");
        }
        Ok(Reply::Waveform(coarser(&listener.peaks, wanted)))
    }
}

/// Forgets the waveform of a recording.
pub(crate) fn forget(store: &ChunkStore, session: SessionId) {
    // It may never have been made.
    let _absent = fs::remove_file(path(store, session));
}

/// Removes the waveforms of recordings that are gone.
pub(crate) fn tidy(store: &ChunkStore) -> io::Result<()> {
    let folder = store.dir().join(CACHE).join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let session = entry.file_name().to_str().and_then(|name| name.parse::<SessionId>().ok());
        let is_gone = |session| matches!(store.session(session), Err(StoreError::NotFound { .. }));
        if session.is_none_or(is_gone) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Finds the peaks of all sound of a recording.
struct Listener {
    playing: Playing,
    length: Duration,
    peaks: Vec<u8>,
}

impl Listener {
    fn new(playing: Playing) -> Self {
        Self { length: playing.length(), playing, peaks: vec![0; PEAKS] }
    }

    /// Decodes all chunks of a track, one after the other; says whether all could be read.
    fn hear<'a>(
        &mut self,
        store: &ChunkStore,
        chunks: impl Iterator<Item = &'a ChunkOutline>,
    ) -> Result<bool, EngineError> {
        let mut decoder: Option<(Hash, AudioDecoder)> = None;
        let mut whole = true;
        for outline in chunks {
            let chunk = store.chunk(&outline.id)?;
            let bytes = match store.read(&outline.id) {
                Ok(bytes) => bytes,
                Err(error) => {
                    tracing::warn!(%error, "a waveform is made without a chunk");
                    whole = false;
                    continue;
                }
            };
            let codec = store.init(chunk.id.session, &chunk.id.track, &chunk.init)?.codec;
            if decoder.as_ref().is_none_or(|(init, _)| *init != chunk.init) {
                decoder = Some((chunk.init, AudioDecoder::open(&codec)?));
            }
            let Some((_, decoder)) = &mut decoder else { continue };
            for packet in media::samples(&chunk, &codec).filter_map(|sample| sample.packet(&bytes)) {
                match decoder.push(&packet) {
                    Ok(()) => {}
                    Err(CodecError::CorruptPacket { .. }) => whole = false,
                    Err(error) => return Err(error.into()),
                }
                while let Some(block) = decoder.poll()? {
                    self.add(&block);
                }
            }
        }
        Ok(whole)
    }

    fn add(&mut self, block: &AudioBlock) {
        let frames = block.frames().max(1);
        let start = self.playing.played_from_session(block.at).as_nanos();
        let (length, lasts) = (self.length.as_nanos().max(1), block.duration().as_nanos());
        let channels = usize::from(block.channels.max(1));
        let place = |frame: usize| {
            let at = start + lasts * frame as u128 / frames as u128;
            ((at * PEAKS as u128 / length) as usize).min(PEAKS - 1)
        };
        // Block by block within one span, since a division for each sample costs more than decoding it.
        let (mut frame, mut peak) = (0, place(0));
        while frame < frames {
            let last = place(frames - 1);
            let end = if last == peak {
                frames
            } else {
                (frame + 1..frames).find(|frame| place(*frame) != peak).unwrap_or(frames)
            };
            let samples = block.samples.get(frame * channels..end * channels).unwrap_or_default();
            let loudest = samples.iter().fold(0.0f32, |loudest, sample| loudest.max(sample.abs()));
            self.peaks[peak] = self.peaks[peak].max((loudest.min(1.0) * 255.0).round() as u8);
            if end < frames {
                peak = place(end);
            }
            frame = end;
        }
    }
}

/// The loudest of each of fewer spans.
fn coarser(peaks: &[u8], spans: usize) -> Vec<u8> {
    let edge = |span: usize| span * peaks.len() / spans;
    let loudest = |span: usize| {
        let end = ((span + 1) * peaks.len()).div_ceil(spans);
        peaks[edge(span)..end].iter().copied().max().unwrap_or(0)
    };
    (0..spans).map(loudest).collect()
}

fn path(store: &ChunkStore, session: SessionId) -> PathBuf {
    store.dir().join(CACHE).join(FOLDER).join(session.to_string())
}

/// A waveform on disk; of an encrypted recording it is encrypted, since it says when somebody spoke.
struct Kept {
    path: PathBuf,
    cover: Cover,
}

impl Kept {
    /// None where there is none that is whole.
    fn read(&self) -> Option<Vec<u8>> {
        let bytes = self.cover.reveal(FOLDER, fs::read(&self.path).ok()?);
        let mut bytes = bytes.filter(|bytes| bytes.len() == PEAKS + SUM)?;
        let sum = bytes.split_off(PEAKS);
        (Hash::of(&bytes).0[..SUM] == sum[..]).then_some(bytes)
    }

    fn write(&self, store: &ChunkStore, peaks: &[u8]) -> io::Result<()> {
        let cache = store.dir().join(CACHE);
        fs::create_dir_all(cache.join(FOLDER))?;
        let tag = cache.join(TAG.0);
        if !tag.exists() {
            fs::write(tag, TAG.1)?;
        }
        let bytes = [peaks, &Hash::of(peaks).0[..SUM]].concat();
        fs::write(&self.path, self.cover.conceal(FOLDER, &bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Span, Timestamp};

    #[test]
    fn fewer_spans_keep_the_loudest() {
        assert_eq!(coarser(&[1, 9, 3, 4, 7, 6, 2, 8], 4), [9, 4, 7, 8]);
        assert_eq!(coarser(&[1, 9, 3, 4], 3), [9, 9, 4]);
        assert_eq!(coarser(&[1, 9, 3, 4], 1), [9]);
        assert_eq!(coarser(&[1, 9, 3, 4], 4), [1, 9, 3, 4]);
    }

    #[test]
    fn samples_fall_where_they_are_played() {
        let span = Span::new(Timestamp(0), Timestamp(4_096_000_000));
        let mut listener = Listener::new(Playing::of(&crate::tests::meta(), span));
        // A millisecond for each peak: 1,000 samples a second, each louder than the one before, twice as loud right.
        let samples = (0..100).flat_map(|n| [n as f32 / 510.0, -(n as f32) / 255.0]).collect();
        listener.add(&AudioBlock { at: Timestamp(50_000_000), rate: 1_000, channels: 2, samples });
        listener.add(&AudioBlock {
            at: Timestamp(9_000_000_000),
            rate: 1_000,
            channels: 1,
            samples: vec![7.0],
        });
        let expected = |place: usize| match place {
            50..150 => (place - 50) as u8,
            4_095 => 255,
            _ => 0,
        };
        assert_eq!(listener.peaks, (0..PEAKS).map(expected).collect::<Vec<_>>());
    }
}
