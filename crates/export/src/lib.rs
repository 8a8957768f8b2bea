//! From stored chunks to ordinary files.
//!
//! Owns: which tracks go into a file, copying their bytes, and that a file under its final name is always whole.
//! Never encodes, decodes or draws; the boxes are `media`'s, the chunks are `store`'s. Tested on real files with
//! libavformat as the judge (`tests/oracle.rs`), and on damaged stores and disks (`tests/faults.rs`).

mod error;
mod part_file;
mod source;

pub use error::ExportError;

use media::FlatPlan;
use model::{ChunkId, Manifest, Span, TrackKind, TrackManifest};
use part_file::PartFile;
use source::{Checker, Copied, Source};
use std::{ops::ControlFlow, panic::resume_unwind, path::Path, thread, time::Duration};
use store::ChunkStore;

/// How closely chunks are looked at before they are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Check {
    /// Whether they are there, with all their bytes.
    #[default]
    Size,
    /// Whether every byte is the one that was recorded. Looked at beside the copying, by a thread of its own.
    Hash,
}

/// How far an export has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes written.
    pub written: u64,
    /// Bytes of the whole file.
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

/// Makes an MP4 of a session's program and its mix, without encoding: all of it, or exactly `cut`.
///
/// `progress` is called after each chunk; when it breaks, nothing is left behind.
pub fn export_mp4(
    store: &ChunkStore,
    manifest: &Manifest,
    cut: Option<Span>,
    check: Check,
    out: &Path,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Exported, ExportError> {
    let tracks = [picture(manifest), sound(manifest)];
    Export { store, manifest, cut, check }.run(tracks.into_iter().flatten().collect(), out, progress)
}

/// Makes an M4A of a session's mix alone, as [`export_mp4`] does.
pub fn export_m4a(
    store: &ChunkStore,
    manifest: &Manifest,
    cut: Option<Span>,
    check: Check,
    out: &Path,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Exported, ExportError> {
    Export { store, manifest, cut, check }.run(sound(manifest).into_iter().collect(), out, progress)
}

fn picture(manifest: &Manifest) -> Option<&TrackManifest> {
    manifest.tracks.iter().find(|track| track.track.kind == TrackKind::Program && !track.chunks.is_empty())
}

/// The mix, or what sound there is without one.
fn sound(manifest: &Manifest) -> Option<&TrackManifest> {
    let sounds =
        || manifest.tracks.iter().filter(|track| track.track.kind.is_audio() && !track.chunks.is_empty());
    sounds().find(|track| track.track.kind == TrackKind::Mix).or_else(|| sounds().next())
}

struct Export<'a> {
    store: &'a ChunkStore,
    manifest: &'a Manifest,
    cut: Option<Span>,
    check: Check,
}

impl Export<'_> {
    fn run(
        &self,
        tracks: Vec<&TrackManifest>,
        out: &Path,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Exported, ExportError> {
        let mut source = Source::new(self.store, &tracks)?;
        let span = self.cut.unwrap_or_else(|| self.manifest.span());
        let gaps: Vec<_> = self.manifest.meta.session_gaps().collect();
        // What turns out to be damaged is left out, and the file is planned again without it.
        loop {
            let plan = source.plan(span, &gaps)?;
            if source.leave_out_absent(&plan) {
                continue;
            }
            let mut file = PartFile::create(out, plan.size)?;
            let unchecked = if self.check == Check::Hash { source.unchecked(&plan) } else { Vec::new() };
            let checker = Checker::new(self.store, unchecked);
            let (copied, damaged) = thread::scope(|scope| {
                let checking = scope.spawn(|| checker.damaged());
                let copied = copy(&plan, &mut source, &mut file, progress);
                if !matches!(copied, Ok(Copied::All)) {
                    checker.stop();
                }
                (copied, checking.join().unwrap_or_else(|panic| resume_unwind(panic)))
            });
            if matches!(copied?, Copied::Unreadable) || source.leave_out_damaged(checker, &damaged) {
                continue;
            }
            file.finish()?;
            let Source { skipped, .. } = source;
            return Ok(Exported { bytes: plan.size, duration: plan.duration, span: plan.span, skipped });
        }
    }
}

/// Writes all of a plan, durably, but not yet under its name.
fn copy(
    plan: &FlatPlan,
    source: &mut Source<'_>,
    file: &mut PartFile,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Copied, ExportError> {
    file.write(&plan.head)?;
    let copied = source.copy_all(plan, file, progress)?;
    file.sync()?;
    Ok(copied)
}
