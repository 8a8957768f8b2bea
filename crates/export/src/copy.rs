//! Copies chunks into one ordinary MP4, without encoding.

use crate::{
    ExportError, Exported, Progress,
    part_file::PartFile,
    plan::Check,
    source::{Checker, Copied, Source},
};
use media::FlatPlan;
use model::Span;
use std::{ops::ControlFlow, panic::resume_unwind, path::Path, thread};
use store::ChunkStore;

/// What of a session becomes a file, and how closely it is looked at.
pub(crate) struct Copy<'a> {
    pub store: &'a ChunkStore,
    pub span: Span,
    /// What is left out on all tracks.
    pub gaps: &'a [Span],
    pub check: Check,
}

impl Copy<'_> {
    /// Makes the file. `progress` is called after each chunk.
    pub fn run(
        &self,
        mut source: Source<'_>,
        out: &Path,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Exported, ExportError> {
        // What turns out to be damaged is left out, and the file is planned again without it.
        loop {
            let plan = source.plan(self.span, self.gaps)?;
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
