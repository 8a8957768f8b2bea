//! Files that take encoding: pictures are rendered cell by cell into a work folder, then put together with sound.

use crate::{
    ExportError, Exported, Progress,
    copy::Copy,
    film::Film,
    gif::Gif,
    pace::Cell,
    painter::{Painter, read_from},
    part_file::PartFile,
    plan::{Container, Pace, Pictured, Plan},
    render::{Maker, Render, Teller},
    sound::Sound,
    source::{Source, Track},
    webm::{self, Pictures},
    work::Work,
};
use codec::{Speed, VideoCodec, VideoConfig};
use media::Timeline;
use model::{ChunkId, Hash, Manifest, Size, Span, Timestamp, TrackManifest};
use std::{fmt::Write as _, ops::ControlFlow, path::Path};
use store::ChunkStore;

/// Changes whenever the same plan gives other bytes, so that old work is not mixed with new.
const RENDERER: u32 = 1;
/// Quality that nobody chose: hardly to be told from the recording.
const CRF: f32 = 23.0;
/// What encoders are told where pictures come at any time.
const FPS: u32 = 60;

/// One export that takes encoding.
pub(crate) struct Transcode<'a> {
    pub store: &'a ChunkStore,
    pub manifest: &'a Manifest,
    pub plan: &'a Plan,
    pub pictured: Pictured<'a>,
    pub sound: Option<&'a TrackManifest>,
    pub work: &'a Path,
}

/// What both kinds of making need to know.
struct Scope {
    span: Span,
    gaps: Vec<Span>,
    timeline: Timeline,
    skipped: Vec<ChunkId>,
}

impl Transcode<'_> {
    /// Makes the file.
    pub fn run(
        &self,
        out: &Path,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Exported, ExportError> {
        let mut skipped = Vec::new();
        let painter = Painter::new(self.store, &self.pictured, self.plan.limit(), &mut skipped)?;
        let span = self.span(painter.as_ref())?;
        let gaps: Vec<Span> = self.manifest.meta.session_gaps().collect();
        let timeline = Timeline::new(span, &gaps);
        if timeline.duration().is_zero() {
            return Err(ExportError::Nothing);
        }
        let mut teller = Teller::new(timeline.duration(), progress);
        let mut work = Work::open(self.work, &self.key(span), self.store.cover(self.manifest.meta.id)?)?;
        let mut scope = Scope { span, gaps, timeline, skipped };
        let made = match painter {
            Some(painter) if self.plan.container == Container::Gif => {
                self.gif(painter, &mut work, &mut scope, out, &mut teller)
            }
            Some(painter) => self.film(painter, &mut work, &mut scope, out, &mut teller),
            None if self.plan.container == Container::Webm => {
                self.webm(None, 0, &mut scope, out, &mut teller)
            }
            None => Err(ExportError::Nothing),
        };
        if matches!(made, Ok(_) | Err(ExportError::Cancelled)) {
            work.remove();
        }
        let bytes = made?;
        scope.skipped.sort();
        scope.skipped.dedup();
        Ok(Exported { bytes, duration: scope.timeline.duration(), span, skipped: scope.skipped })
    }

    /// What of the session there is to show and to hear, within the cut.
    fn span(&self, painter: Option<&Painter<'_>>) -> Result<Span, ExportError> {
        let silent = self.plan.container == Container::Gif;
        let chunks = self.sound.filter(|_| !silent).map(|track| &track.chunks);
        let sound = chunks.and_then(|chunks| {
            Some(Span::new(chunks.first()?.span.start.max(Timestamp::ZERO), chunks.last()?.span.end))
        });
        let whole = match (painter.map(Painter::span), sound) {
            (Some(a), Some(b)) => Span::new(a.start.min(b.start), a.end.max(b.end)),
            (a, b) => a.or(b).ok_or(ExportError::Nothing)?,
        };
        let cut = self.plan.cut.unwrap_or(whole);
        Ok(Span::new(cut.start.max(whole.start), cut.end.min(whole.end)))
    }

    /// Names the work: the same for the same pictures of the same chunks, and for nothing else.
    fn key(&self, span: Span) -> Hash {
        let Plan { container, picture, video, crf, size, pace, cut: _, check: _, encode: _ } = self.plan;
        let mut text = format!(
            "{RENDERER} {} {} {span:?} {container:?} {picture:?} {video:?} {crf:?} {size:?} {pace:?}",
            env!("CARGO_PKG_VERSION"),
            self.manifest.meta.id,
        );
        let composed = matches!(self.pictured, Pictured::Composition(_));
        // Writing to a text cannot fail.
        let _ = write!(
            text,
            " {:?} {:?}",
            composed.then_some(&self.manifest.meta.layouts),
            self.manifest.meta.gaps
        );
        for track in self.pictured.tracks() {
            let chunks = track.chunks.iter().map(|chunk| format!(" {} {}", chunk.init, chunk.hash));
            let _ = write!(text, " {}{}", track.track.id, chunks.collect::<String>());
        }
        Hash::of(text.as_bytes())
    }

    fn gif(
        &self,
        painter: Painter<'_>,
        work: &mut Work,
        scope: &mut Scope,
        out: &Path,
        teller: &mut Teller<'_>,
    ) -> Result<u64, ExportError> {
        let mut gif = Gif::new(painter.size());
        let mut render = Render::new(painter, self.plan, &scope.timeline);
        scope.skipped.extend(render.run(self.manifest.meta.id, work, &mut gif, teller)?);
        let mut file = PartFile::create(out, finished(work, &gif, &render.cells))?;
        let bytes = gif.write(&mut file, work, &render.cells, teller)?;
        file.finish()?;
        Ok(bytes)
    }

    fn film(
        &self,
        painter: Painter<'_>,
        work: &mut Work,
        scope: &mut Scope,
        out: &Path,
        teller: &mut Teller<'_>,
    ) -> Result<u64, ExportError> {
        let session = self.manifest.meta.id;
        let mut film = Film::new(session, self.config(painter.size()), work)?;
        let mut render = Render::new(painter, self.plan, &scope.timeline);
        scope.skipped.extend(render.run(session, work, &mut film, teller)?);
        if self.plan.container == Container::Webm {
            let size = finished(work, &film, &render.cells);
            return self.webm(Some(Pictures::new(&film, work, &render.cells)), size, scope, out, teller);
        }
        let tracks: Vec<_> = self.sound.into_iter().collect();
        let mut source = Source::new(self.store, &tracks)?;
        let (track, names) = film.track(work, &render.cells);
        source.add_made(track, names, work);
        let mut stopped = None;
        let mut progress = |copied: Progress| match teller.written(copied.done, copied.total) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                stopped = Some(error);
                ControlFlow::Break(())
            }
        };
        let copy = Copy { store: self.store, span: scope.span, gaps: &scope.gaps, check: self.plan.check };
        let copied = copy.run(source, out, &mut progress);
        let made = stopped.map_or(copied, Err)?;
        scope.skipped.extend(made.skipped);
        Ok(made.bytes)
    }

    fn webm(
        &self,
        pictures: Option<Pictures<'_>>,
        size: u64,
        scope: &mut Scope,
        out: &Path,
        teller: &mut Teller<'_>,
    ) -> Result<u64, ExportError> {
        let mut sound = match self.sound {
            Some(manifest) => {
                let track = Track::load(self.store, manifest, &mut scope.skipped)?;
                Sound::open(track, read_from(self.store), &scope.timeline)?
            }
            None => None,
        };
        let file = PartFile::create(out, size)?;
        let bytes = webm::write(&file, pictures, sound.as_mut(), scope.timeline.duration(), teller)?;
        file.finish()?;
        scope.skipped.extend(sound.into_iter().flat_map(|sound| sound.lost));
        Ok(bytes)
    }

    fn config(&self, size: Size) -> VideoConfig {
        let fps = match self.plan.paced() {
            Pace::AsRecorded => FPS,
            Pace::AtMost(fps) | Pace::Constant(fps) => fps,
        };
        let webm = self.plan.container == Container::Webm;
        VideoConfig {
            codec: self.plan.video.unwrap_or(if webm { VideoCodec::Vp9 } else { VideoCodec::H264 }),
            size,
            fps,
            crf: self.plan.crf.unwrap_or(CRF),
            max_bitrate: max_bitrate(size, fps),
            speed: Speed::Veryfast,
        }
    }
}

/// Bytes of the finished cells: the file has about as many, and more.
fn finished(work: &Work, maker: &dyn Maker, cells: &[Cell]) -> u64 {
    cells.iter().filter_map(|cell| work.size(&maker.name(cell))).sum()
}

/// Far more than screens take at this quality; only noise is kept from filling disks.
fn max_bitrate(size: Size, fps: u32) -> u64 {
    let pixels = u64::from(size.width) * u64::from(size.height) * u64::from(fps.max(30));
    (pixels / 4).clamp(2_000_000, 200_000_000)
}
