//! A rehearsal: the sources of a plan, open to be seen and heard, and nothing written down. A session that begins goes on
//! with those of its sources that it wants too.
//!
//! Owns what is known of them meanwhile. Ends when nobody looks for a while, so that no camera stays on for nobody.
//! Tested in `tests.rs`, and with devices in `tests/`.

use crate::{
    command::{Activity, Reply, SessionPlan, Snapshot},
    error::EngineError,
    picture::Show,
    preview::Stage,
    run::{Input, Waiting, answer},
    session::{Notice, check},
    settings::Settings,
    sources::{self, Held, Source},
    status::Status,
    threads::{SessionTime, spawn},
    watch::{Change, Heard, Looks, Watch},
};
use capture::{Intake, Outlet, SourceEvent};
use clock::{Level, clipped};
use crossbeam_channel::{Receiver, Sender};
use model::{Layout, TrackId};
use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

/// It ends when nobody has looked for this long.
const UNSEEN: Duration = Duration::from_secs(5);

/// Sources that are open, for people to see and hear.
pub(crate) struct Rehearsal {
    plan: SessionPlan,
    layout: Layout,
    time: SessionTime,
    sources: Vec<Source>,
    outlet: Outlet,
    intake: Intake,
    program: Option<Show>,
    status: Status,
    watch: Watch,
    names: HashMap<TrackId, String>,
    lost: HashSet<TrackId>,
    heard: HashMap<TrackId, Heard>,
    seen_at: Instant,
}

impl Rehearsal {
    fn open(plan: SessionPlan, settings: &Settings, held: Held) -> Result<Self, EngineError> {
        check(&plan)?;
        let time = SessionTime::begin();
        let opened = sources::open(&plan, settings.screen_token(), &time, held)?;
        let (mut watch, mut names) = (Watch::default(), HashMap::new());
        for (track, kind, name) in opened.watched {
            watch.add(track.clone(), kind, &name, time.now());
            names.insert(track, name);
        }
        Ok(Self {
            layout: plan.layout.unwrap_or_else(|| settings.layout()).checked(),
            status: Status::new(&opened.tracks, opened.notices, plan.fps),
            plan,
            time,
            sources: opened.sources,
            outlet: opened.outlet,
            intake: opened.intake,
            program: opened.program,
            watch,
            names,
            lost: HashSet::new(),
            heard: HashMap::new(),
            seen_at: Instant::now(),
        })
    }

    pub(crate) fn events(&self) -> &Receiver<(TrackId, SourceEvent)> {
        &self.intake.events
    }

    /// Somebody looks.
    pub(crate) fn seen(&mut self) {
        self.seen_at = Instant::now();
    }

    pub(crate) fn stage(&self) -> Stage {
        Stage {
            outlet: self.outlet.clone(),
            show: self.program.clone(),
            quality: self.plan.quality,
            time: self.time.clone(),
        }
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// How sources are seen now.
    pub(crate) fn shown_layout(&self) -> Layout {
        sources::shown_layout(self.layout, |track| self.lost.contains(track))
    }

    pub(crate) fn arrange(&mut self, layout: Layout) {
        self.layout = layout.checked();
    }

    pub(crate) fn uses(&self, id: &str) -> bool {
        self.sources.iter().any(|source| source.id.as_str() == id)
    }

    /// What befell a source, in words.
    pub(crate) fn source_event(&mut self, track: &TrackId, event: SourceEvent) -> Option<Notice> {
        let subject = self.names.get(track).cloned().unwrap_or_else(|| track.to_string());
        let now = self.time.now();
        match event {
            SourceEvent::Lost { message, .. } | SourceEvent::Ended { message, .. } => {
                self.lost.insert(track.clone());
                self.status.set_trouble(track, Some(message.clone()));
                self.watch.set_lost(track, true, now);
                Some(("source_lost", format!("{subject}: {message}")))
            }
            SourceEvent::Returned => {
                self.lost.remove(track);
                self.status.set_trouble(track, None);
                self.watch.set_lost(track, false, now);
                Some(("source_returned", format!("{subject} is back")))
            }
            SourceEvent::Changed { .. } | SourceEvent::Allowed { .. } => None,
        }
    }

    /// Now and then: listens and looks, and tells which alarms began or ended.
    fn tick(&mut self) -> Vec<Change> {
        let now = self.time.now();
        self.heard.values_mut().for_each(|heard| *heard = Heard { any: false, clipped: 0, ..UNHEARD });
        for (track, block) in self.intake.sound.try_iter() {
            let heard = self.heard.entry(track).or_insert(UNHEARD);
            heard.peak = heard.peak.max(Level::of(&block.samples).peak);
            heard.clipped += clipped(&block.samples, block.channels);
            heard.any = true;
        }
        self.status.set_peaks(&self.heard);
        self.heard.iter().for_each(|(track, heard)| self.watch.heard(track, *heard, now));
        for viewer in &self.intake.viewers {
            // Whoever looks has a viewer of its own.
            viewer.inputs.try_iter().for_each(drop);
        }
        for track in [sources::name("screen"), sources::name("camera")] {
            let counts = self.intake.viewers.iter().map(|viewer| viewer.pictures.counts(&track));
            let counts = counts.max_by_key(|counts| counts.captured + counts.unchanged).unwrap_or_default();
            let looks = Looks { new: counts.captured, same: counts.unchanged };
            self.watch.looked(&track, looks, now);
        }
        self.watch.changes(now)
    }

    pub(crate) fn snapshot(&self, disk_free: u64) -> Snapshot {
        Snapshot {
            activity: Activity::Rehearsing,
            title: self.plan.title.clone(),
            fps_ceiling: self.plan.fps as f32,
            tracks: self.status.tracks.clone(),
            alarms: self.watch.alarms(),
            disk_free,
            notices: self.status.notices.clone(),
            ..Snapshot::default()
        }
    }

    /// What others may go on with: sources that give something.
    fn into_held(self) -> Held {
        let is_well = |source: &Source| !self.lost.contains(&source.track);
        Held { sources: self.sources.into_iter().filter(is_well).collect(), events: Some(self.intake.events) }
    }
}

const UNHEARD: Heard = Heard { peak: Level::SILENCE.peak, clipped: 0, any: false, drift_ppm: 0.0 };

/// A rehearsal whose sources are being opened.
struct Opening {
    waiting: Vec<Waiting>,
    since: Instant,
    /// People were told that it takes so long.
    told: bool,
    /// Nobody wants it any more.
    abandoned: bool,
    /// What somebody wants to rehearse instead.
    next: Option<(SessionPlan, Vec<Waiting>)>,
}

/// The engine's rehearsal: none, one that is being opened, or one that runs.
#[derive(Default)]
pub(crate) struct Rehearsing {
    pub(crate) running: Option<Rehearsal>,
    opening: Option<Opening>,
}

impl Rehearsing {
    pub(crate) fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.opening.is_none() && self.running.is_none()
    }

    /// Opens the sources of `plan` on a thread of its own, since a desktop may ask its user first. The answer comes then;
    /// of several plans that come meanwhile the newest counts.
    pub(crate) fn begin(
        &mut self,
        plan: SessionPlan,
        settings: &Settings,
        inputs: &Sender<Input>,
        mut waiting: Vec<Waiting>,
    ) {
        if let Some(opening) = &mut self.opening {
            opening.abandoned = false;
            let replaced = opening.next.take().map(|(_, waiting)| waiting).unwrap_or_default();
            waiting.extend(replaced);
            opening.next = Some((plan, waiting));
            return;
        }
        if let Some(running) = self.running.as_mut().filter(|running| running.plan == plan) {
            running.seen();
            return waiting.iter().for_each(|waiting| answer(waiting, Ok(Reply::Done)));
        }
        let (held, settings, inputs) = (self.take(), settings.clone(), inputs.clone());
        let opened = spawn("rehearse", move || {
            let rehearsal = Rehearsal::open(plan, &settings, held);
            // The loop waits for this before it ends.
            let _ending = inputs.send(Input::Rehearsed(Box::new(rehearsal)));
        });
        match opened {
            Ok(_ends_with_its_message) => {
                let since = Instant::now();
                self.opening = Some(Opening { waiting, since, told: false, abandoned: false, next: None });
            }
            Err(error) => refuse(waiting, error),
        }
    }

    /// The sources are open, or could not be.
    pub(crate) fn opened(
        &mut self,
        outcome: Result<Rehearsal, EngineError>,
        settings: &Settings,
        inputs: &Sender<Input>,
    ) {
        let Some(Opening { waiting, abandoned, next, .. }) = self.opening.take() else { return };
        match outcome {
            Ok(mut rehearsal) => {
                rehearsal.seen();
                self.running = Some(rehearsal).filter(|_| !abandoned);
                waiting.iter().for_each(|waiting| answer(waiting, Ok(Reply::Done)));
            }
            Err(error) => refuse(waiting, error),
        }
        if let Some((plan, waiting)) = next {
            self.begin(plan, settings, inputs, waiting);
        }
    }

    /// What a session goes on with. Nothing is rehearsed any more.
    pub(crate) fn take(&mut self) -> Held {
        self.running.take().map(Rehearsal::into_held).unwrap_or_default()
    }

    /// Ends it. Says whether there was one.
    pub(crate) fn end(&mut self) -> bool {
        if let Some(opening) = &mut self.opening {
            opening.abandoned = true;
            let replaced = opening.next.take().map(|(_, waiting)| waiting).unwrap_or_default();
            replaced.iter().for_each(|waiting| answer(waiting, Ok(Reply::Done)));
        }
        self.running.take().is_some() || self.opening.is_some()
    }

    /// Now and then: ends what nobody looks at; else tells which alarms began or ended.
    pub(crate) fn tick(&mut self) -> Vec<Change> {
        self.running.take_if(|running| running.seen_at.elapsed() >= UNSEEN);
        self.running.as_mut().map(Rehearsal::tick).unwrap_or_default()
    }

    /// Says once that opening takes longer than `patience`: the desktop asks its user something.
    pub(crate) fn is_asking(&mut self, patience: Duration) -> bool {
        self.opening.as_mut().is_some_and(|opening| {
            opening.since.elapsed() >= patience && !std::mem::replace(&mut opening.told, true)
        })
    }
}

/// Errors cannot be copied: all but the first who asked hear the words alone.
fn refuse(waiting: Vec<Waiting>, error: EngineError) {
    let words = error.to_string();
    for other in waiting.iter().skip(1) {
        answer(other, Err(EngineError::Invalid(words.clone())));
    }
    if let Some(first) = waiting.first() {
        answer(first, Err(error));
    }
}
