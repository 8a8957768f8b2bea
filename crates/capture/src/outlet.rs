//! Where samples go: pictures to a place that keeps the newest, sound and events to queues that drop when full.
//!
//! Owns the overflow rules between devices and the engine, and counts what they cost. Nothing here waits for the
//! engine. Readers of pictures come and go; one that comes late is told what the others know. Tested below.

use crate::{SourceEvent, damage::simplified};
use crossbeam_channel::{Receiver, Sender};
use model::{
    Annotation, AudioBlock, Damage, Frame, InputEvent, InputState, Planes, Point, Timestamp, TrackId,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Blocks of sound last 10 to 50 ms, so this is several seconds of two sources.
const SOUND_MAX: usize = 512;
/// Devices come and go in seconds, and these are read at once.
const EVENTS_MAX: usize = 256;
/// A pointer is looked at as often as its screen: a minute of it at 60 a second.
const INPUTS_MAX: usize = 4096;

/// The end that devices push into. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outlet {
    // Locked for as long as it takes to hand over one sample.
    hub: Arc<Mutex<Hub>>,
    pub(crate) sound: DropWhenFull<(TrackId, AudioBlock)>,
    pub(crate) events: DropWhenFull<(TrackId, SourceEvent)>,
}

#[derive(Debug, Default)]
struct Hub {
    views: Vec<View>,
    /// The newest picture of each source, for readers that come late. Whoever reads it has it too, so this takes no
    /// memory of its own.
    newest: BTreeMap<TrackId, (Timestamp, Planes)>,
    state: InputState,
}

/// The way to one reader of pictures, until the last clone of it is gone.
#[derive(Debug)]
struct View {
    wanted: Vec<TrackId>,
    pictures: Weak<Shared>,
    inputs: DropWhenFull<(Timestamp, InputEvent)>,
}

/// The end that the engine reads.
#[derive(Debug, Clone)]
pub struct Intake {
    /// One for each reader of pictures.
    pub viewers: Vec<Viewer>,
    /// Sound, in the order of each source.
    pub sound: Receiver<(TrackId, AudioBlock)>,
    /// What befell the sources.
    pub events: Receiver<(TrackId, SourceEvent)>,
}

/// What one reader of pictures sees.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// The newest picture of each source that it wants.
    pub pictures: NewestPictures,
    /// What people did, in order.
    pub inputs: Receiver<(Timestamp, InputEvent)>,
}

impl Outlet {
    /// Both ends of a new one, with a viewer for each list of tracks whose pictures somebody wants.
    pub fn new(wanted: &[&[TrackId]]) -> (Self, Intake) {
        let (sound, sound_in) = DropWhenFull::new(SOUND_MAX);
        let (events, events_in) = DropWhenFull::new(EVENTS_MAX);
        let outlet = Self { hub: Arc::default(), sound, events };
        let viewers = wanted.iter().map(|wanted| outlet.viewer(wanted)).collect();
        (outlet, Intake { viewers, sound: sound_in, events: events_in })
    }

    /// One reader more, of these tracks' pictures. It finds the newest one of each, and what holds of the input.
    pub fn viewer(&self, wanted: &[TrackId]) -> Viewer {
        let mut hub = self.hub();
        hub.views.retain(|view| view.pictures.strong_count() > 0);
        let pictures = NewestPictures::default();
        let (inputs, inputs_in) = DropWhenFull::new(INPUTS_MAX);
        known(&hub.state).into_iter().for_each(|input| inputs.push(input));
        for track in wanted {
            if let Some((at, picture)) = hub.newest.get(track) {
                pictures.put(track, *at, picture.clone(), Damage::All);
            }
        }
        let view = View { wanted: wanted.to_vec(), pictures: Arc::downgrade(&pictures.shared), inputs };
        hub.views.push(view);
        Viewer { pictures, inputs: inputs_in }
    }

    /// Blocks of sound that found the queue full, of all sources: each is silence at its stamped time.
    pub fn sound_dropped(&self) -> u64 {
        self.sound.dropped()
    }

    /// Something happened that no source tells, such as a drawing: seen as soon as can be.
    pub fn tell(&self, at: Timestamp, event: &InputEvent) {
        self.input(at, event);
        self.hub().views.iter().filter_map(View::pictures).for_each(|pictures| pictures.wake());
    }

    pub(crate) fn input(&self, at: Timestamp, event: &InputEvent) {
        let mut hub = self.hub();
        hub.state.apply(event, at);
        for view in &hub.views {
            view.inputs.push((at, event.clone()));
            view.pictures().into_iter().for_each(|pictures| pictures.stir());
        }
    }

    pub(crate) fn picture(&self, track: &TrackId, at: Timestamp, picture: Planes, damage: &Damage) {
        let mut hub = self.hub();
        hub.views_of(track).for_each(|pictures| pictures.put(track, at, picture.clone(), damage.clone()));
        // Looked up first: this happens at each picture, and a new key is a clone.
        match hub.newest.get_mut(track) {
            Some(newest) => *newest = (at, picture),
            None => drop(hub.newest.insert(track.clone(), (at, picture))),
        }
    }

    pub(crate) fn count(&self, track: &TrackId, add: impl Fn(&mut Counts)) {
        self.hub().views_of(track).for_each(|pictures| pictures.count(track, &add));
    }

    /// The newest picture of a source.
    pub(crate) fn newest(&self, track: &TrackId) -> Option<Planes> {
        self.hub().newest.get(track).map(|(_, picture)| picture.clone())
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        // A panic elsewhere leaves at worst an older picture in its place.
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    fn views_of(&self, track: &TrackId) -> impl Iterator<Item = NewestPictures> {
        self.views.iter().filter(move |view| view.wanted.contains(track)).filter_map(View::pictures)
    }
}

impl View {
    fn pictures(&self) -> Option<NewestPictures> {
        self.pictures.upgrade().map(|shared| NewestPictures { shared })
    }
}

/// What somebody who comes late must be told of the input to see what others see. Rings and keys pass in a moment.
fn known(state: &InputState) -> Vec<(Timestamp, InputEvent)> {
    let size = state.picture.map(|size| (state.moved, InputEvent::Resized(size)));
    let shape = state.shape.clone().map(|shape| (state.moved, InputEvent::PointerShape(shape)));
    let pointer = state.pointer.map(|place| (state.moved, InputEvent::Pointer(place)));
    let drawn = state
        .drawings
        .iter()
        .map(|drawn| (drawn.at, InputEvent::Annotation(Annotation::Draw(drawn.drawing.clone()))));
    size.into_iter().chain(shape).chain(pointer).chain(drawn).collect()
}

/// A bounded queue that drops what comes while it is full, and counts it.
#[derive(Debug)]
pub struct DropWhenFull<T> {
    queue: Sender<T>,
    dropped: Arc<AtomicU64>,
}

impl<T> Clone for DropWhenFull<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), dropped: Arc::clone(&self.dropped) }
    }
}

impl<T> DropWhenFull<T> {
    /// For `capacity` items.
    pub fn new(capacity: usize) -> (Self, Receiver<T>) {
        let (queue, receiver) = crossbeam_channel::bounded(capacity);
        (Self { queue, dropped: Arc::default() }, receiver)
    }

    /// Puts `item` at the end, or drops it.
    pub fn push(&self, item: T) {
        if self.queue.try_send(item).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// What became of the times a picture source was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Pictures that were pushed.
    pub captured: u64,
    /// Looks that found nothing new.
    pub unchanged: u64,
    /// Pictures that nobody will see: a newer one came before they were taken, or there was no memory or time to
    /// capture them. What changed in them is part of the next one.
    pub dropped: u64,
}

/// The newest picture of each source. A picture that was not taken is replaced by the next one, which then also
/// carries its damage. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct NewestPictures {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    places: Mutex<Places>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct Places {
    by_track: BTreeMap<TrackId, Place>,
    /// There is something for whoever waits.
    is_ready: bool,
    /// There will be, once the look that it belongs to is over.
    is_stirred: bool,
}

#[derive(Debug, Default)]
struct Place {
    waiting: Option<Frame>,
    serial: u64,
    counts: Counts,
}

impl NewestPictures {
    /// Waits until a picture of any source can be taken, or until [`Self::wake`], at most `timeout`. Says whether
    /// either came.
    pub fn wait(&self, timeout: Duration) -> bool {
        let (mut places, _) = self
            .shared
            .ready
            .wait_timeout_while(self.places(), timeout, |places| !places.is_ready)
            .unwrap_or_else(PoisonError::into_inner);
        if places.is_ready {
            places.is_stirred = false;
        }
        std::mem::take(&mut places.is_ready)
    }

    /// Ends whoever's waiting, for reasons of the caller's.
    pub fn wake(&self) {
        self.places().is_ready = true;
        self.shared.ready.notify_all();
    }

    /// The newest picture of `track`, unless it was taken before.
    pub fn take(&self, track: &TrackId) -> Option<Frame> {
        self.places().by_track.get_mut(track)?.waiting.take()
    }

    /// What became of the looks at `track`.
    pub fn counts(&self, track: &TrackId) -> Counts {
        self.places().by_track.get(track).map(|place| place.counts).unwrap_or_default()
    }

    /// A new picture. `damage` is relative to the one put before.
    fn put(&self, track: &TrackId, at: Timestamp, picture: Planes, damage: Damage) {
        let mut places = self.places();
        let place = places.by_track.entry(track.clone()).or_default();
        place.counts.captured += 1;
        let (serial, since) = (place.serial + 1, place.serial);
        let mut frame = Frame { at, picture, origin: Point::default(), serial, since, damage };
        if let Some(missed) = place.waiting.take() {
            place.counts.dropped += 1;
            frame.since = missed.since;
            frame.damage = if missed.picture.size == frame.picture.size {
                simplified(missed.damage.union(&frame.damage))
            } else {
                Damage::All
            };
        }
        place.serial = frame.serial;
        place.waiting = Some(frame);
        drop(places);
        self.wake();
    }

    /// Something besides a picture came of a look that is not over yet: whoever waits is woken at its end.
    fn stir(&self) {
        self.places().is_stirred = true;
    }

    /// The source was looked at without a new picture of its own. What else came of that look can be taken now.
    fn count(&self, track: &TrackId, add: impl FnOnce(&mut Counts)) {
        let mut places = self.places();
        // Looked up first: this happens at each tick, and a new key is a clone.
        match places.by_track.get_mut(track) {
            Some(place) => add(&mut place.counts),
            None => add(&mut places.by_track.entry(track.clone()).or_default().counts),
        }
        let stirred = places.is_stirred;
        drop(places);
        if stirred {
            self.wake();
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // A panic elsewhere leaves at worst an older picture in its place.
        self.shared.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::{PixelFormat, Rect, Size};

    fn put(pictures: &NewestPictures, at: i64, width: u32, damage: Damage) {
        let size = Size::new(width, 10);
        let picture =
            Planes { format: PixelFormat::Bgrx, size, stride: 4 * width as usize, bytes: Bytes::new() };
        pictures.put(&track(), Timestamp(at), picture, damage);
    }

    fn track() -> TrackId {
        "screen".parse().unwrap()
    }

    fn rect(x: i32) -> Damage {
        Damage::Rects(vec![Rect::new(x, 0, 1, 1)])
    }

    #[test]
    fn a_picture_not_taken_leaves_its_damage_to_the_next() {
        let pictures = NewestPictures::default();
        put(&pictures, 1, 100, Damage::All);
        let first = pictures.take(&track()).unwrap();
        assert_eq!((first.serial, first.since), (1, 0));
        put(&pictures, 2, 100, rect(5));
        put(&pictures, 3, 100, rect(50));
        assert!(pictures.wait(Duration::ZERO));
        let newest = pictures.take(&track()).unwrap();
        assert_eq!((newest.at, newest.serial, newest.since), (Timestamp(3), 3, 1));
        assert_eq!(newest.damage, Damage::Rects(vec![Rect::new(5, 0, 1, 1), Rect::new(50, 0, 1, 1)]));
        assert_eq!(pictures.counts(&track()), Counts { captured: 3, unchanged: 0, dropped: 1 });
        assert!(pictures.take(&track()).is_none());
        assert!(!pictures.wait(Duration::ZERO));
    }

    #[test]
    fn a_pointer_waits_for_the_look_it_belongs_to() {
        let (outlet, intake) = Outlet::new(&[&[track()], &["camera".parse().unwrap()]]);
        let [screen, camera] = intake.viewers.try_into().unwrap();
        outlet.input(Timestamp(1), &InputEvent::PointerGone);
        assert!(!screen.pictures.wait(Duration::ZERO));
        outlet.count(&track(), |counts| counts.unchanged += 1);
        assert!(screen.pictures.wait(Duration::ZERO));
        assert_eq!(screen.inputs.try_recv(), Ok((Timestamp(1), InputEvent::PointerGone)));
        outlet.count(&track(), |counts| counts.unchanged += 1);
        assert!(!screen.pictures.wait(Duration::ZERO), "a look at a still screen wakes nobody");
        assert!(!camera.pictures.wait(Duration::ZERO), "another's look wakes nobody");
        outlet.tell(Timestamp(2), &InputEvent::PointerGone);
        assert!(screen.pictures.wait(Duration::ZERO) && camera.pictures.wait(Duration::ZERO));
    }

    #[test]
    fn a_viewer_sees_what_it_wants_and_takes_it_from_nobody() {
        let camera: TrackId = "camera".parse().unwrap();
        let (outlet, intake) = Outlet::new(&[&[track(), camera.clone()], std::slice::from_ref(&camera)]);
        let picture = Planes {
            format: PixelFormat::Bgrx,
            size: Size::new(1, 1),
            stride: 4,
            bytes: Bytes::from_static(&[0; 4]),
        };
        outlet.picture(&track(), Timestamp(1), picture.clone(), &Damage::All);
        outlet.picture(&camera, Timestamp(1), picture, &Damage::All);
        let taken = |viewer: usize, track: &TrackId| intake.viewers[viewer].pictures.take(track).is_some();
        assert_eq!((taken(0, &track()), taken(0, &camera)), (true, true));
        assert_eq!((taken(1, &track()), taken(1, &camera)), (false, true));
    }

    #[test]
    fn a_viewer_that_comes_late_finds_what_holds_and_one_that_is_gone_holds_nothing() {
        let (outlet, intake) = Outlet::new(&[&[track()]]);
        struct Memory(Arc<[u8; 4]>);
        impl AsRef<[u8]> for Memory {
            fn as_ref(&self) -> &[u8] {
                &*self.0
            }
        }
        let held = Arc::new([0; 4]);
        let bytes = Bytes::from_owner(Memory(Arc::clone(&held)));
        let picture = |bytes: &Bytes| Planes {
            format: PixelFormat::Bgrx,
            size: Size::new(1, 1),
            stride: 4,
            bytes: bytes.clone(),
        };
        let place = Point { x: 3, y: 4 };
        outlet.picture(&track(), Timestamp(1), picture(&bytes), &Damage::All);
        outlet.input(Timestamp(2), &InputEvent::Pointer(place));
        let late = outlet.viewer(&[track()]);
        let found = late.pictures.take(&track()).unwrap();
        assert_eq!((found.at, found.damage), (Timestamp(1), Damage::All));
        assert!(late.inputs.try_iter().eq([(Timestamp(2), InputEvent::Pointer(place))]));
        outlet.picture(&track(), Timestamp(3), picture(&bytes), &rect(0));
        assert_eq!(late.pictures.take(&track()).unwrap().damage, rect(0));
        outlet.picture(&track(), Timestamp(4), picture(&bytes), &rect(0));
        drop((late, found.picture, intake, bytes));
        outlet.picture(&track(), Timestamp(5), picture(&Bytes::new()), &rect(0));
        assert_eq!(Arc::strong_count(&held), 1, "somebody still holds an old picture");
    }

    #[test]
    fn another_size_is_another_picture() {
        let pictures = NewestPictures::default();
        put(&pictures, 1, 100, rect(5));
        put(&pictures, 2, 200, rect(6));
        assert_eq!(pictures.take(&track()).unwrap().damage, Damage::All);
    }

    #[test]
    fn a_full_queue_drops_what_comes_and_counts_it() {
        let (queue, receiver) = DropWhenFull::new(2);
        (0..5).for_each(|i| queue.push(i));
        assert_eq!((receiver.try_iter().collect::<Vec<_>>(), queue.dropped()), (vec![0, 1], 3));
        drop(receiver);
        queue.push(9);
        assert_eq!(queue.dropped(), 4);
    }
}
