//! The threads of a session's tracks: how they are made, what they are told, and how they reach the store.

use crate::{
    clock::SystemClock,
    command::SessionPlan,
    error::EngineError,
    input::InputTrack,
    picture::{PicturePlan, PictureTrack, Show},
    run::Input,
    sound::{Sound, SoundPlan},
    sources::{self, Opened},
    writer::Write,
};
use capture::Viewer;
use clock::{HostClock, SessionClock};
use crossbeam_channel::{Receiver, Sender, unbounded};
use media::ChunkPolicy;
use model::{Layout, Piece, SessionId, Timestamp, TrackId, TrackKind};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

/// Pieces that wait for the disk: about a minute of four tracks. A disk that stalls longer fails the tracks.
pub(crate) const PIECES_MAX: usize = 1024;
/// How long a track of pictures waits for room among them, and how long sound does: it gives way last.
const PATIENCE: Duration = Duration::from_secs(20);
const PATIENCE_OF_SOUND: Duration = Duration::from_secs(120);

/// What the engine's loop tells a track's thread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Control {
    Pause {
        at: Timestamp,
    },
    Resume {
        at: Timestamp,
    },
    Stop {
        at: Timestamp,
    },
    /// Sources are arranged like this from now on.
    Layout(Layout),
    /// Chunks are so long from the next one on.
    Policy(ChunkPolicy),
}

/// Whether a track's thread goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    End,
}

/// Session time, now.
#[derive(Clone)]
pub(crate) struct SessionTime {
    pub(crate) clock: Arc<SessionClock>,
    host: SystemClock,
}

impl SessionTime {
    pub(crate) fn begin() -> Self {
        let host = SystemClock;
        Self { clock: Arc::new(SessionClock::new(host.now())), host }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.session_from_host(self.host.now())
    }

    /// The clock that it follows, for sources.
    pub(crate) fn host(&self) -> Arc<dyn HostClock> {
        Arc::new(self.host)
    }

    /// Now is time zero.
    pub(crate) fn restart(&self) {
        self.clock.restart(self.host.now());
    }
}

/// A track's way to the store: blocks while the disk is behind, and fails the track where that lasts.
#[derive(Clone)]
pub(crate) struct Pieces {
    queue: Sender<Write>,
    patience: Duration,
}

impl Pieces {
    pub(crate) fn new(queue: Sender<Write>) -> Self {
        Self { queue, patience: PATIENCE }
    }

    pub(crate) fn send(&self, piece: Piece) -> Result<(), EngineError> {
        self.write(Write::Piece(piece))
    }

    pub(crate) fn write(&self, write: Write) -> Result<(), EngineError> {
        self.queue.send_timeout(write, self.patience).map_err(|_| EngineError::System {
            operation: "handing a part to the disk",
            cause: io::ErrorKind::TimedOut.into(),
        })
    }
}

/// What every track's thread has.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) session: SessionId,
    pub(crate) track: TrackId,
    pub(crate) policy: ChunkPolicy,
    pub(crate) time: SessionTime,
    pub(crate) controls: Receiver<Control>,
    pub(crate) pieces: Pieces,
    pub(crate) inputs: Sender<Input>,
}

impl Link {
    pub(crate) fn say(&self, input: Input) {
        // The loop lives longer than its tracks; where it is ending, nobody wants to hear.
        let _ending = self.inputs.send(input);
    }
}

/// A thread of a track.
pub(crate) struct Worker {
    pub(crate) track: TrackId,
    pub(crate) controls: Sender<Control>,
    pub(crate) thread: JoinHandle<()>,
}

/// A thread of a track that is ready to be started.
pub(crate) struct Start {
    track: TrackId,
    controls: Sender<Control>,
    work: Box<dyn FnOnce() -> Result<(), EngineError> + Send>,
}

impl Start {
    pub(crate) fn run(self, inputs: &Sender<Input>) -> Result<Worker, EngineError> {
        let Self { track, controls, work } = self;
        let (name, inputs) = (track.clone(), inputs.clone());
        let thread = spawn(track.as_str(), move || {
            // A panic is a bug, and a bug in one track must not end it unheard.
            let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
                let cause = io::Error::other("it panicked; the engine's log says where");
                Err(EngineError::System { operation: "running its thread", cause })
            });
            if let Err(error) = outcome {
                tracing::error!(track = %name, %error, "track failed");
                let _ending = inputs.send(Input::TrackFailed { track: name, message: error.to_string() });
            }
        })?;
        Ok(Worker { track, controls, thread })
    }
}

/// What the threads of tracks are made of.
pub(crate) struct Threads<'a> {
    pub(crate) session: SessionId,
    pub(crate) policy: ChunkPolicy,
    pub(crate) time: &'a SessionTime,
    pub(crate) pieces: Pieces,
    pub(crate) inputs: &'a Sender<Input>,
}

impl Threads<'_> {
    /// Ready to be started: one thread for each track of pictures, one for input, one for all sound.
    pub(crate) fn prepare(
        &self,
        plan: &SessionPlan,
        layout: Layout,
        opened: &Opened,
    ) -> Result<Vec<Start>, EngineError> {
        let mut starts = Vec::new();
        for (show, viewer) in opened.shows.iter().zip(&opened.intake.viewers) {
            starts.push(match show {
                Some(show) => self.picture(plan, layout, show, viewer),
                None => self.input(viewer),
            });
        }
        if !opened.sound.is_empty() {
            starts.push(self.sound(opened)?);
        }
        Ok(starts)
    }

    fn link(&self, track: TrackId) -> (Sender<Control>, Link) {
        let (told, controls) = unbounded();
        let (time, pieces, inputs) = (self.time.clone(), self.pieces.clone(), self.inputs.clone());
        let (session, policy) = (self.session, self.policy);
        (told, Link { session, track, policy, time, controls, pieces, inputs })
    }

    fn picture(&self, plan: &SessionPlan, layout: Layout, show: &Show, viewer: &Viewer) -> Start {
        let track = show.track();
        let (controls, link) = self.link(track.clone());
        let plan = PicturePlan { show: show.clone(), layout, quality: plan.quality, fps: plan.fps };
        let picture = PictureTrack::new(plan, link, viewer.clone());
        Start { track, controls, work: Box::new(move || picture.run()) }
    }

    fn input(&self, viewer: &Viewer) -> Start {
        let track = sources::name("input");
        let (controls, link) = self.link(track.clone());
        let events = viewer.inputs.clone();
        Start { track, controls, work: Box::new(move || InputTrack::new(link, events)?.run()) }
    }

    fn sound(&self, opened: &Opened) -> Result<Start, EngineError> {
        let track = sources::name("mix");
        let (controls, link) = self.link(track.clone());
        let apart = opened
            .tracks
            .iter()
            .any(|track| matches!(track.kind, TrackKind::Microphone | TrackKind::SystemAudio));
        let plan = SoundPlan { sources: opened.sound.clone(), apart };
        let pieces = Pieces { patience: PATIENCE_OF_SOUND, ..link.pieces.clone() };
        let sound = Sound::new(&plan, Link { pieces, ..link }, opened.intake.sound.clone())?;
        Ok(Start { track, controls, work: Box::new(move || sound.run()) })
    }
}

pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, EngineError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|cause| EngineError::System { operation: "starting a thread", cause })
}
