//! Care for the library: what has lain in the trash long enough, and what is too old or too much, is deleted; what was
//! cut off while its key was away is put in order once that is found.
//!
//! Owns: the thread that looks after it, soon after the engine has started and each hour. Never deletes what is being
//! recorded, nor by age or size what no server has verified, unless people said so; and the server looks at all of it
//! again just before it is deleted here. Reads no clock but the wall clock,
//! since people count days, and does not believe it at once ([`Patience`]).

mod patience;

use crate::{
    clock::utc_now,
    command::{Encryption, Event},
    error::EngineError,
    keys, library,
    run::Input,
    settings::Settings,
    threads::spawn,
    uploads::Uploads,
};
use crossbeam_channel::{Receiver, Sender, TryRecvError, after, bounded, select};
use model::{SessionId, SessionState, UtcTime};
use patience::Patience;
use std::{
    collections::{HashSet, VecDeque},
    fs,
    thread::JoinHandle,
    time::Duration,
};
use store::{ChunkStore, ListOrder, Search, SessionSummary, StoreError};

/// Whoever has started the engine listens by then, and has its disk for itself until then.
const FIRST: Duration = Duration::from_secs(5);
const BETWEEN: Duration = Duration::from_secs(3600);
/// As many are read at once.
const PAGE: u32 = 100;
/// More titles than that are not said in one notice.
const NAMED_MAX: usize = 3;
/// As many events wait for somebody to hear them.
const UNTOLD_MAX: usize = 16;
/// What has been due, and for how long. Where it is lost, waiting begins anew.
const PATIENCE: &str = "care.json";

/// Looks after the library until it is dropped.
pub(crate) struct Care {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Care {
    /// `found` tells when a key was found that something may wait for.
    pub(crate) fn begin(
        store: ChunkStore,
        inputs: Sender<Input>,
        found: Receiver<()>,
        uploads: Uploads,
    ) -> Result<Self, EngineError> {
        let (stop, stopped) = bounded(0);
        // The server says what it has, at the last moment before it is all that there is.
        let is_there = move |session| uploads.verify(session).map(|receipt| receipt.complete);
        let thread = spawn("care", move || run(&store, &inputs, &stopped, &found, &is_there))?;
        Ok(Self { stop, thread })
    }

    /// Until it has let go of the library.
    pub(crate) fn end(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the care for the library panicked");
        }
    }
}

/// Asks the server whether it has all of a session.
type IsThere = dyn Fn(SessionId) -> Result<bool, EngineError>;

fn run(
    store: &ChunkStore,
    inputs: &Sender<Input>,
    stopped: &Receiver<()>,
    found: &Receiver<()>,
    is_there: &IsThere,
) {
    let mut next = after(FIRST);
    loop {
        select! {
            recv(stopped) -> _ => return,
            recv(found) -> _ => unlock(store, inputs),
            recv(next) -> _ => {
                next = after(BETWEEN);
                look_after(store, inputs, stopped, is_there);
            }
        }
    }
}

/// A key was found: what was locked can be read.
fn unlock(store: &ChunkStore, inputs: &Sender<Input>) {
    match keys::recover(store) {
        Ok(recovered) => {
            for event in library::rescued(store, &recovered) {
                let _ending = inputs.send(Input::Tell(Box::new(event)));
            }
        }
        Err(error) => tracing::warn!(%error, "cannot put in order what waited for its key"),
    }
    let _ending = inputs.send(Input::LibraryChanged);
}

fn look_after(store: &ChunkStore, inputs: &Sender<Input>, stopped: &Receiver<()>, is_there: &IsThere) {
    let told = match look(store, utc_now(), stopped, is_there) {
        Ok(told) => told,
        Err(error) => return tracing::warn!(%error, "cannot look after the library"),
    };
    library::tidy(store);
    if !told.is_empty() {
        let _ending = inputs.send(Input::LibraryChanged);
    }
    for message in told {
        let notice = Event::Notice { code: "deleted".to_owned(), track: None, message };
        let _ending = inputs.send(Input::Tell(Box::new(notice)));
    }
}

/// What happened while nobody listened, the newest of it.
#[derive(Default)]
pub(crate) struct Untold(VecDeque<Event>);

impl Untold {
    pub(crate) fn keep(&mut self, event: Event) {
        if self.0.len() == UNTOLD_MAX {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    pub(crate) fn take(&mut self) -> impl Iterator<Item = Event> + use<> {
        std::mem::take(&mut self.0).into_iter()
    }
}

/// Why something is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Trash,
    /// It is at a server, and for long enough here too.
    Uploaded,
    Age,
    Size,
}

/// Deletes what is due, and says to people what and why.
fn look(
    store: &ChunkStore,
    now: UtcTime,
    stopped: &Receiver<()>,
    is_there: &IsThere,
) -> Result<Vec<String>, EngineError> {
    let (settings, _) = Settings::new(store.settings()?);
    let mut told = Vec::new();
    let due = due(store, &settings, now)?;
    let certain = certain(store, &settings, now, &due);
    for (why, due) in due {
        let mut gone = Vec::new();
        for summary in due.into_iter().filter(|summary| certain.contains(&summary.meta.id)) {
            // What is due will be so when the engine runs again.
            if stopped.try_recv() == Err(TryRecvError::Disconnected) {
                break;
            }
            let session = summary.meta.id;
            if must_be_there(why, &settings) && !is_safe(session, is_there) {
                continue;
            }
            match library::delete_session(store, session) {
                Ok(bytes) => {
                    tracing::info!(%session, bytes, ?why, "deleted");
                    gone.push(summary);
                }
                // Somebody was quicker, or records it again by now.
                Err(EngineError::Store(StoreError::NotFound { .. } | StoreError::Live { .. })) => {}
                Err(error) => tracing::warn!(%session, %error, "cannot delete what is due"),
            }
        }
        if !gone.is_empty() {
            told.push(say(why, &gone));
        }
    }
    Ok(told)
}

/// Whether a server must have it first. What people threw away themselves goes in any case.
fn must_be_there(why: Why, settings: &Settings) -> bool {
    match why {
        Why::Trash => false,
        Why::Uploaded => true,
        Why::Age | Why::Size => settings.keep_unverified(),
    }
}

/// Whether a server has just looked at all of it.
fn is_safe(session: SessionId, is_there: &IsThere) -> bool {
    match is_there(session) {
        Ok(is_there) => is_there,
        Err(error) => {
            tracing::info!(%session, %error, "it stays here: the server does not say that it has it");
            false
        }
    }
}

/// Of what is due, that which has been for long enough.
fn certain(
    store: &ChunkStore,
    settings: &Settings,
    now: UtcTime,
    due: &[(Why, Vec<SessionSummary>)],
) -> HashSet<SessionId> {
    let file = store.dir().join(PATIENCE);
    let mut patience: Patience =
        fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let grace = |why: Why| match why {
        Why::Trash => Patience::grace(settings.trash_age().unwrap_or(Duration::MAX)),
        Why::Uploaded => Patience::grace(settings.keep_uploaded().unwrap_or(Duration::MAX)),
        Why::Age => Patience::grace(settings.keep_age().unwrap_or(Duration::MAX)),
        // No clock is asked for it.
        Why::Size => Duration::ZERO,
    };
    let wishes = due.iter().flat_map(|(why, due)| due.iter().map(|one| (one.meta.id, grace(*why))));
    let certain = patience.look(now, wishes);
    let written = serde_json::to_vec(&patience).map_err(Into::into).and_then(|text| fs::write(file, text));
    if let Err(error) = written {
        tracing::warn!(%error, "what is due will wait for longer");
    }
    certain
}

/// What is to be deleted, each once, oldest first.
fn due(
    store: &ChunkStore,
    settings: &Settings,
    now: UtcTime,
) -> Result<Vec<(Why, Vec<SessionSummary>)>, EngineError> {
    let before = |age: Duration| now.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    let all = |trashed| every(store, trashed);
    let mut trash = all(true)?;
    trash.sort_by_key(|summary| summary.meta.trashed_at);
    let overdue = |summary: &SessionSummary| {
        let since = summary.meta.trashed_at.zip(settings.trash_age());
        since.is_some_and(|(since, age)| since.0 <= before(age))
    };
    let mut due = vec![(Why::Trash, trash.iter().filter(|summary| overdue(summary)).cloned().collect())];
    let mut kept = all(false)?;
    if let Some(age) = settings.keep_uploaded() {
        let (old, young): (Vec<_>, Vec<_>) = std::mem::take(&mut kept)
            .into_iter()
            .partition(|summary| summary.meta.started_at.0 <= before(age) && is_uploaded(store, summary));
        kept = young;
        due.push((Why::Uploaded, old));
    }
    let may_go = |summary: &SessionSummary| !settings.keep_unverified() || is_uploaded(store, summary);
    if let Some(age) = settings.keep_age() {
        let old = kept.iter().filter(|summary| summary.meta.started_at.0 <= before(age) && may_go(summary));
        due.push((Why::Age, old.cloned().collect()));
    }
    if let Some(most) = settings.keep_bytes() {
        let gone: HashSet<SessionId> =
            due.iter().flat_map(|(_, due)| due).map(|summary| summary.meta.id).collect();
        let left: Vec<_> =
            trash.into_iter().chain(kept).filter(|summary| !gone.contains(&summary.meta.id)).collect();
        let mut bytes: u64 = left.iter().map(|summary| summary.bytes).sum();
        let too_much = left.into_iter().filter(|summary| {
            let goes = bytes > most && may_go(summary);
            bytes = bytes.saturating_sub(if goes { summary.bytes } else { 0 });
            goes
        });
        due.push((Why::Size, too_much.collect()));
    }
    Ok(due)
}

/// Whether a server once said that it has all of it.
fn is_uploaded(store: &ChunkStore, summary: &SessionSummary) -> bool {
    store.upload(summary.meta.id).is_ok_and(|upload| upload.complete)
}

/// All recordings that have ended, oldest first.
fn every(store: &ChunkStore, trashed: bool) -> Result<Vec<SessionSummary>, StoreError> {
    let mut all = Vec::new();
    loop {
        let offset = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let search = Search { trashed, order: ListOrder::Oldest, offset, limit: PAGE, ..Search::default() };
        let page = store.search(&search)?.sessions;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    // What is locked is not being recorded: it waits for its key, and may wait for ever.
    let has_ended = |summary: &SessionSummary| {
        summary.meta.state != SessionState::Recording
            || library::encryption(store, summary) == Encryption::Locked
    };
    all.retain(has_ended);
    Ok(all)
}

fn say(why: Why, gone: &[SessionSummary]) -> String {
    let why = match why {
        Why::Trash => "had been in the trash for as long as trash-keep says",
        Why::Uploaded => "is at the server, and was here for as long as keep-uploaded says",
        Why::Age => "was older than keep-days allows",
        Why::Size => "was the oldest, and all together took more than keep-size allows",
    };
    let title = |summary: &SessionSummary| match summary.meta.title.as_str() {
        "" => "Untitled".to_owned(),
        title => format!("\u{201c}{title}\u{201d}"),
    };
    let mut names: Vec<_> = gone.iter().take(NAMED_MAX).map(title).collect();
    if gone.len() > NAMED_MAX {
        names.push(format!("{} more", gone.len() - NAMED_MAX));
    }
    format!("deleted for good, since it {why}: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::meta;
    use model::SessionMeta;
    use std::sync::Arc;
    use store::OsFs;
    use uuid::Uuid;

    const DAY: i64 = 86_400_000;
    const NOW: UtcTime = UtcTime(1_764_000_000_000);

    fn id(number: u32) -> SessionId {
        SessionId(Uuid::from_u128(0x0199_a3c4_0000_7000_8000_0000_0000_0000 + u128::from(number)))
    }

    /// Recordings without a byte, so many days old, some of them so many days in the trash.
    fn library(days: &[(i64, Option<i64>)]) -> (tempfile::TempDir, ChunkStore) {
        let folder = tempfile::tempdir().expect("there is room");
        let (store, _) = ChunkStore::open(Arc::new(OsFs), folder.path()).expect("it opens");
        for ((age, trashed), number) in days.iter().zip(1..) {
            let started_at = UtcTime(NOW.0 - age * DAY);
            let title = format!("no. {number}");
            let meta = SessionMeta { id: id(number), title, started_at, ..meta() };
            let mut writer = store.begin(meta).expect("it begins");
            writer.finalize(SessionState::Finalized).expect("it ends");
            drop(writer);
            let since = trashed.map(|days| UtcTime(NOW.0 - days * DAY));
            store.update(id(number), |details| details.trashed_at = since).expect("it is there");
        }
        (folder, store)
    }

    #[track_caller]
    fn check(store: &ChunkStore, settings: &[(&str, &str)], expected: &[(Why, &[u32])]) {
        let (settings, ignored) =
            Settings::new(settings.iter().map(|(key, value)| ((*key).into(), (*value).into())));
        assert_eq!(ignored, [""; 0]);
        let due = due(store, &settings, NOW).expect("it can be asked");
        let ids = |due: &[SessionSummary]| due.iter().map(|summary| summary.meta.id).collect::<Vec<_>>();
        let found: Vec<_> = due.iter().map(|(why, due)| (*why, ids(due))).collect();
        let expected: Vec<_> =
            expected.iter().map(|(why, due)| (*why, due.iter().map(|n| id(*n)).collect())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_trash_is_emptied_by_its_own_time_and_all_else_is_kept() {
        let (_folder, store) = library(&[(400, None), (30, Some(6)), (20, Some(8)), (90, Some(7))]);
        check(&store, &[], &[(Why::Trash, &[3, 4])]);
        check(&store, &[("trash-keep", "off")], &[(Why::Trash, &[])]);
        let wishes = [("keep-days", "1"), ("keep-size", "1B")];
        let nothing_else: &[(Why, &[u32])] = &[(Why::Trash, &[3, 4]), (Why::Age, &[]), (Why::Size, &[])];
        check(&store, &wishes, nothing_else);
    }

    #[test]
    fn age_and_size_delete_the_oldest_where_people_said_so() {
        let (_folder, store) = library(&[(400, None), (30, Some(6)), (29, None), (31, None)]);
        let unverified = ("keep-unverified", "off");
        check(&store, &[unverified, ("keep-days", "30")], &[(Why::Trash, &[]), (Why::Age, &[1, 4])]);
        check(&store, &[unverified], &[(Why::Trash, &[])]);
        // Nothing takes a byte, so nothing is too much.
        check(&store, &[unverified, ("keep-size", "0")], &[(Why::Trash, &[]), (Why::Size, &[])]);
    }

    #[test]
    fn what_a_server_has_goes_only_when_it_says_so_again() {
        let (_folder, store) = library(&[(40, None), (30, None), (20, None), (10, None)]);
        for number in [2, 3, 4] {
            store.keep_receipt(id(number), "https://spool.example", "{}", true).unwrap();
        }
        let kept = [("keep-uploaded", "15d")];
        check(&store, &kept, &[(Why::Trash, &[]), (Why::Uploaded, &[2, 3])]);
        check(&store, &[("keep-days", "25")], &[(Why::Trash, &[]), (Why::Age, &[2])]);
        store.set_setting("keep-uploaded", Some("15d")).unwrap();
        let (_stop, stopped) = bounded(0);
        let has = |session| Ok(session == id(3));
        for half_days in 0..3 {
            look(&store, UtcTime(NOW.0 + half_days * DAY / 2), &stopped, &has).unwrap();
        }
        let left: Vec<_> = store.sessions(None, 9).unwrap().iter().map(|summary| summary.meta.id).collect();
        assert_eq!(left, [id(4), id(2), id(1)], "the server does not have the second any more");
    }

    #[test]
    fn what_was_due_is_gone_and_told_and_what_is_recorded_stays() {
        let (_folder, store) = library(&[(30, Some(8)), (20, Some(9)), (10, None)]);
        let live = store.begin(SessionMeta { id: id(9), started_at: UtcTime(0), ..meta() }).unwrap();
        store.set_setting("keep-unverified", Some("off")).unwrap();
        store.set_setting("keep-days", Some("15")).unwrap();
        let (stop, stopped) = bounded(0);
        let nobody = |_| -> Result<bool, EngineError> { Err(EngineError::NotLoggedIn) };
        let later = |half_days: i64| UtcTime(NOW.0 + half_days * DAY / 2);
        for half_days in 0..2 {
            assert_eq!(
                look(&store, later(half_days), &stopped, &nobody).unwrap(),
                [""; 0],
                "the clock may be wrong"
            );
        }
        let told = look(&store, later(2), &stopped, &nobody).unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("no. 2") && told[0].contains("no. 1") && told[0].contains("trash"),
            "{told:?}"
        );
        let left: Vec<_> = store.sessions(None, 9).unwrap().iter().map(|summary| summary.meta.id).collect();
        assert_eq!(left, [id(9), id(3)]);
        assert_eq!(look(&store, later(3), &stopped, &nobody).unwrap(), [""; 0]);
        store.set_setting("keep-days", Some("5")).unwrap();
        assert_eq!(look(&store, later(4), &stopped, &nobody).unwrap(), [""; 0]);
        assert_eq!(look(&store, later(5), &stopped, &nobody).unwrap(), [""; 0]);
        drop(stop);
        assert_eq!(
            look(&store, later(6), &stopped, &nobody).unwrap(),
            [""; 0],
            "an engine that ends does not begin to delete"
        );
        drop(live);
    }
}
