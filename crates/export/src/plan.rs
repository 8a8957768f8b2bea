//! What is wanted of an export, and which tracks that takes. Pure; tested below.

use crate::ExportError;
use codec::VideoCodec;
use model::{LayoutChange, Manifest, Size, Span, TrackId, TrackKind, TrackManifest};

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Container {
    /// H.264, or what is asked for, with AAC.
    Mp4,
    /// AAC alone, in an MP4.
    M4a,
    /// VP9 or AV1, with Opus.
    Webm,
    /// Pictures alone, with a frame wherever something changes. Within 960 by 960 pixels and at most 15 a second unless
    /// the plan says otherwise.
    Gif,
}

/// Which pictures a file shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Picture {
    /// The program as it was recorded, and where there is none the tracks composed, as they were arranged then.
    #[default]
    AsRecorded,
    /// The tracks composed, in these layouts; as they were arranged while they were recorded if there are none here.
    Composition(Vec<LayoutChange>),
    /// One track alone.
    Track(TrackId),
}

/// How many pictures a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// Each at the time at which it was seen, for as long as it stood. In a composition whenever one of its tracks
    /// changes, and for what people do at most sixty times a second.
    #[default]
    AsRecorded,
    /// Only on multiples of a share of a second, and only where something changed.
    AtMost(u32),
    /// The `n`-th at `n` shares of a second, whatever changed.
    Constant(u32),
}

/// How closely chunks are looked at before they are copied. What is decoded is always compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Check {
    /// Whether they are there, with all their bytes.
    #[default]
    Size,
    /// Whether every byte is the one that was recorded. Looked at beside the copying, by a thread of its own.
    Hash,
}

/// Whether pictures may be encoded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encode {
    /// Where the plan cannot be met without.
    #[default]
    AsNeeded,
    /// Rather no file.
    Never,
}

/// What is wanted. What is left open comes out as it was recorded, and what can be copied is not encoded again.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What kind of file.
    pub container: Container,
    /// Which part of the session, exactly; all of it if none.
    pub cut: Option<Span>,
    /// Which pictures.
    pub picture: Picture,
    /// What pictures are encoded as; none: as recorded in an MP4, VP9 in a WebM.
    pub video: Option<VideoCodec>,
    /// Constant quality as x264 counts it, from 0, which keeps everything, to 51.
    pub crf: Option<f32>,
    /// Pictures fit within this. They are never enlarged, and keep their shape.
    pub size: Option<Size>,
    /// How many pictures a second.
    pub pace: Pace,
    /// How closely chunks are looked at.
    pub check: Check,
    /// Whether pictures may be encoded again.
    pub encode: Encode,
}

impl Plan {
    /// All of a session as it was recorded.
    pub fn new(container: Container) -> Self {
        Self {
            container,
            cut: None,
            picture: Picture::default(),
            video: None,
            crf: None,
            size: None,
            pace: Pace::default(),
            check: Check::default(),
            encode: Encode::default(),
        }
    }

    /// Says what does not make sense, if anything.
    pub(crate) fn checked(&self) -> Result<(), ExportError> {
        let invalid = |why| Err(ExportError::Invalid { why });
        let (gif, webm) = (self.container == Container::Gif, self.container == Container::Webm);
        let fps = match self.pace {
            Pace::AsRecorded => None,
            Pace::AtMost(fps) | Pace::Constant(fps) => Some(fps),
        };
        if fps.is_some_and(|fps| !(1..=240).contains(&fps)) {
            return invalid("pictures a second must be from 1 to 240");
        }
        if gif && fps.is_some_and(|fps| fps > GIF_FPS_MAX) {
            return invalid("a GIF has at most 50 pictures a second");
        }
        if webm && self.video == Some(VideoCodec::H264) {
            return invalid("WebM holds VP9 or AV1");
        }
        if gif && self.video.is_some() {
            return invalid("a GIF has a codec of its own");
        }
        if self.crf.is_some_and(|crf| !(0.0..=51.0).contains(&crf)) {
            return invalid("the quality must be from 0 to 51");
        }
        if self.size.is_some_and(|size| size.width < 2 || size.height < 2) {
            return invalid("pictures have at least 2 by 2 pixels");
        }
        Ok(())
    }

    /// The largest that pictures may be.
    pub(crate) fn limit(&self) -> Size {
        let most = if self.container == Container::Gif { GIF_SIZE } else { Size::new(16_384, 16_384) };
        self.size.unwrap_or(most)
    }

    /// How many pictures a second, with what the kind of file calls for.
    pub(crate) fn paced(&self) -> Pace {
        match self.pace {
            Pace::AsRecorded if self.container == Container::Gif => Pace::AtMost(GIF_FPS),
            pace => pace,
        }
    }
}

/// Delays of a GIF are hundredths of a second, and browsers slow down what is shorter than two of them.
const GIF_FPS_MAX: u32 = 50;
/// More makes files that nobody wants to send.
const GIF_FPS: u32 = 15;
const GIF_SIZE: Size = Size { width: 960, height: 960 };

/// The tracks that are drawn.
#[derive(Debug, Clone)]
pub(crate) enum Pictured<'a> {
    /// There are no pictures.
    Nothing,
    /// One as it is.
    Track(&'a TrackManifest),
    /// Several.
    Composition(Composed<'a>),
}

/// Tracks and how they are arranged.
#[derive(Debug, Clone)]
pub(crate) struct Composed<'a> {
    pub screen: Option<&'a TrackManifest>,
    pub camera: Option<&'a TrackManifest>,
    pub input: Option<&'a TrackManifest>,
    pub layouts: Vec<LayoutChange>,
}

impl<'a> Pictured<'a> {
    /// What a plan means in this session.
    pub fn find(manifest: &'a Manifest, plan: &Plan) -> Result<Self, ExportError> {
        if plan.container == Container::M4a {
            return Ok(Self::Nothing);
        }
        match &plan.picture {
            Picture::AsRecorded => Ok(match first(manifest, TrackKind::Program) {
                Some(program) => Self::Track(program),
                None => Self::composed(manifest, &[]),
            }),
            Picture::Composition(layouts) => Ok(Self::composed(manifest, layouts)),
            Picture::Track(id) => {
                let named = manifest.tracks.iter().find(|track| track.track.id == *id);
                let pictures =
                    named.filter(|track| track.track.kind.is_picture() && !track.chunks.is_empty());
                pictures.map(Self::Track).ok_or(ExportError::Nothing)
            }
        }
    }

    fn composed(manifest: &'a Manifest, layouts: &[LayoutChange]) -> Self {
        let composed = Composed {
            screen: first(manifest, TrackKind::Screen),
            camera: first(manifest, TrackKind::Camera),
            input: first(manifest, TrackKind::Input),
            layouts: if layouts.is_empty() { manifest.meta.layouts.clone() } else { layouts.to_vec() },
        };
        let any = composed.screen.is_some() || composed.camera.is_some();
        if any { Self::Composition(composed) } else { Self::Nothing }
    }

    /// All tracks that are read for it.
    pub fn tracks(&self) -> Vec<&'a TrackManifest> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Track(track) => vec![track],
            Self::Composition(composed) => {
                [composed.screen, composed.camera, composed.input].into_iter().flatten().collect()
            }
        }
    }
}

/// The first track of a kind that has anything.
fn first(manifest: &Manifest, kind: TrackKind) -> Option<&TrackManifest> {
    manifest.tracks.iter().find(|track| track.track.kind == kind && !track.chunks.is_empty())
}

/// The mix, or what sound there is without one.
pub(crate) fn sound(manifest: &Manifest) -> Option<&TrackManifest> {
    let sounds =
        || manifest.tracks.iter().filter(|track| track.track.kind.is_audio() && !track.chunks.is_empty());
    sounds().find(|track| track.track.kind == TrackKind::Mix).or_else(|| sounds().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_that_make_no_sense_are_refused() {
        let check = |container, change: fn(&mut Plan)| {
            let mut plan = Plan::new(container);
            change(&mut plan);
            plan.checked().is_ok()
        };
        for container in [Container::Mp4, Container::M4a, Container::Webm, Container::Gif] {
            assert!(check(container, |_| {}));
            assert!(!check(container, |plan| plan.pace = Pace::Constant(0)));
            assert!(!check(container, |plan| plan.pace = Pace::AtMost(241)));
            assert!(!check(container, |plan| plan.crf = Some(f32::NAN)));
            assert!(!check(container, |plan| plan.size = Some(Size::new(1, 720))));
        }
        assert!(!check(Container::Webm, |plan| plan.video = Some(VideoCodec::H264)));
        assert!(!check(Container::Gif, |plan| plan.pace = Pace::AtMost(60)));
        assert!(!check(Container::Gif, |plan| plan.video = Some(VideoCodec::Vp9)));
        assert!(check(Container::Mp4, |plan| plan.video = Some(VideoCodec::Av1)));
    }
}
