//! From stored chunks to ordinary files.
//!
//! Owns: which tracks go into a file, what can be copied and what must be made anew, and that a file under its final
//! name is always whole. What can be copied is never encoded: the boxes are `media`'s, the chunks are `store`'s.
//! What must be made anew is decoded and encoded by `codec`, drawn by `compose`, and made into chunks by `media`, as
//! a recording is; so it goes on where it was cut off. Tested on real files with libavformat as the judge
//! (`tests/oracle.rs`, `tests/render.rs`), and on damaged stores, disks and processes (`tests/faults.rs`,
//! `tests/resume.rs`).

mod copy;
mod error;
mod film;
mod gif;
mod input;
mod pace;
mod painter;
mod palette;
mod part_file;
mod plan;
mod render;
mod sound;
mod source;
mod transcode;
mod webm;
mod work;

pub use codec::VideoCodec;
pub use error::ExportError;
pub use plan::{Check, Container, Encode, Pace, Picture, Plan};
pub use work::clean;

use copy::Copy;
use model::{ChunkId, CodecConfig, Manifest, Span, TrackManifest};
use plan::Pictured;
use source::{Source, Track};
use std::{ops::ControlFlow, path::Path, time::Duration};
use store::ChunkStore;
use transcode::Transcode;

/// How far an export has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is done: bytes where they are copied, nanoseconds of playing time where pictures are made anew. Never
    /// less than before, but where a copy begins again without a chunk that turned out to be damaged.
    pub done: u64,
    /// What there is to do.
    pub total: u64,
}

/// A file that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Its size.
    pub bytes: u64,
    /// How long it plays.
    pub duration: Duration,
    /// What of the session it has, pauses included.
    pub span: Span,
    /// Chunks that are missing or damaged. Their time stands: the picture before them holds on, sound is silent.
    pub skipped: Vec<ChunkId>,
}

/// Makes a file of a session as `plan` says.
///
/// What is to be encoded is kept in a folder within `work` until the file is complete, so that the same export goes
/// on where a crash has cut it off; several may share `work`. Of an encrypted session the work is encrypted too; the file
/// is not. `progress` is called after each chunk that is copied
/// and before each picture that is drawn. When it breaks, nothing is left behind; after any other error the finished
/// work stays, for another attempt or for [`clean`].
pub fn export(
    store: &ChunkStore,
    manifest: &Manifest,
    plan: &Plan,
    work: &Path,
    out: &Path,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Exported, ExportError> {
    plan.checked()?;
    store.require_key(manifest.meta.id)?;
    let pictured = Pictured::find(manifest, plan)?;
    let sound = plan::sound(manifest);
    if is_encoded(store, &pictured, plan)? {
        if plan.encode == Encode::Never {
            return Err(ExportError::NeedsEncoding);
        }
        return Transcode { store, manifest, plan, pictured, sound, work }.run(out, progress);
    }
    let tracks: Vec<_> = pictured.tracks().into_iter().chain(sound).collect();
    let source = Source::new(store, &tracks)?;
    let gaps: Vec<_> = manifest.meta.session_gaps().collect();
    let span = plan.cut.unwrap_or_else(|| manifest.span());
    Copy { store, span, gaps: &gaps, check: plan.check }.run(source, out, progress)
}

/// Whether a plan takes encoding: it is not enough to copy what was recorded.
pub fn needs_encoding(store: &ChunkStore, manifest: &Manifest, plan: &Plan) -> Result<bool, ExportError> {
    plan.checked()?;
    is_encoded(store, &Pictured::find(manifest, plan)?, plan)
}

fn is_encoded(store: &ChunkStore, pictured: &Pictured<'_>, plan: &Plan) -> Result<bool, ExportError> {
    Ok(match (plan.container, pictured) {
        (Container::Webm | Container::Gif, _) | (Container::Mp4, Pictured::Composition(_)) => true,
        (Container::M4a, _) | (Container::Mp4, Pictured::Nothing) => false,
        (Container::Mp4, Pictured::Track(track)) => {
            plan.crf.is_some() || plan.pace != Pace::AsRecorded || !is_as_wanted(store, track, plan)?
        }
    })
}

/// Whether a track has the codec and the size that are wanted.
fn is_as_wanted(store: &ChunkStore, track: &TrackManifest, plan: &Plan) -> Result<bool, ExportError> {
    let inits = Track::load(store, track, &mut Vec::new())?.inits;
    let is_codec = |codec: &CodecConfig| match plan.video {
        None => true,
        Some(VideoCodec::H264) => matches!(codec, CodecConfig::H264 { .. }),
        Some(VideoCodec::Vp9) => matches!(codec, CodecConfig::Vp9 { .. }),
        Some(VideoCodec::Av1) => matches!(codec, CodecConfig::Av1 { .. }),
    };
    let fits = |codec: &CodecConfig| {
        let (size, limit) = (codec.picture_size(), plan.limit());
        size.is_none_or(|size| size.width <= limit.width && size.height <= limit.height)
    };
    Ok(inits.iter().all(|init| is_codec(&init.codec) && fits(&init.codec)))
}
