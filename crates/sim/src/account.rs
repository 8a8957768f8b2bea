//! What a store said was done, and what it must therefore still have.

use crate::{Crash, Script, SimFs, Step};
use model::{
    Chunk, Gap, Hash, Manifest, Mark, Part, Piece, SessionId, SessionState, TrackId, TrackManifest, UtcTime,
};
use std::{collections::BTreeMap, time::Duration};
use store::{ChunkStore, ObjectId, Recovered, SessionWriter, Settled, StoreError};

/// The setting that scripts set.
const SETTING: &str = "preset";
/// The server that confirms.
const SERVER: &str = "https://spool.example";

/// Runs a script on a store.
pub struct Play<'a> {
    script: &'a Script,
    writers: BTreeMap<SessionId, SessionWriter>,
    /// After how many operations of the disk each step was acknowledged.
    pub acknowledged: Vec<usize>,
}

impl<'a> Play<'a> {
    /// At the beginning of the script.
    pub fn new(script: &'a Script) -> Self {
        Self { script, writers: BTreeMap::new(), acknowledged: Vec::new() }
    }

    /// Whether all was done.
    pub fn is_over(&self) -> bool {
        self.acknowledged.len() == self.script.steps.len()
    }

    /// Does the next step. After an error the same step comes again.
    pub fn step(&mut self, store: &ChunkStore, disk: &SimFs) -> Result<(), StoreError> {
        match &self.script.steps[self.acknowledged.len()] {
            Step::Setting(value) => store.set_setting(SETTING, Some(value))?,
            Step::Begin(meta) => drop(self.writers.insert(meta.id, store.begin(meta.clone())?)),
            Step::AddTrack(session, info) => self.writer(*session).add_track(info.clone())?,
            Step::Write(session, piece) => self.writer(*session).write(piece.clone())?,
            Step::Gap(session, gap) => self.writer(*session).gap(gap.clone())?,
            Step::Rename(session, title) => {
                store.update(*session, |details| details.title.clone_from(title))?;
            }
            Step::Mark(session, mark) => {
                store.update(*session, |details| put(mark, &mut details.marks))?;
            }
            Step::Trash(session, at) => drop(store.update(*session, |details| details.trashed_at = *at)?),
            Step::Confirm(session) => store.settle(*session, SERVER, &sealed(store, *session)?)?,
            Step::Finalize(session) => {
                self.writer(*session).finalize(SessionState::Finalized)?;
                self.writers.remove(session);
            }
            Step::Delete(session) => drop(store.delete(*session)?),
        }
        self.acknowledged.push(disk.now());
        Ok(())
    }

    /// Does all steps.
    pub fn run(&mut self, store: &ChunkStore, disk: &SimFs) -> Result<(), StoreError> {
        while !self.is_over() {
            self.step(store, disk)?;
        }
        Ok(())
    }

    /// Ends every session that is being written.
    pub fn finalize_all(&mut self) -> Result<(), StoreError> {
        for (_, mut writer) in std::mem::take(&mut self.writers) {
            writer.finalize(SessionState::Finalized)?;
        }
        Ok(())
    }

    /// Lets go of the sessions that were never ended, as a process that dies does.
    pub fn die(&mut self) {
        self.writers.clear();
    }

    /// What must be there after the first `ops` operations of the disk.
    pub fn account(&self, ops: usize) -> Account {
        let mut account = Account::default();
        let done = self.acknowledged.iter().take_while(|after| **after <= ops).count();
        self.script.steps[..done].iter().for_each(|step| account.add(step));
        account.pending = self.script.steps.get(done).cloned();
        account
    }

    fn writer(&mut self, session: SessionId) -> &mut SessionWriter {
        self.writers.get_mut(&session).expect("scripts begin a session before they write it")
    }
}

/// What a store must have.
#[derive(Debug, Clone, Default)]
pub struct Account {
    sessions: BTreeMap<SessionId, Session>,
    setting: Option<String>,
    /// Was asked for and not acknowledged: may be there or not.
    pending: Option<Step>,
}

#[derive(Debug, Clone, Default)]
struct Session {
    title: String,
    gaps: Vec<Gap>,
    marks: Vec<Mark>,
    trashed_at: Option<UtcTime>,
    finalized: bool,
    /// Chunks that a server has confirmed.
    confirmed: u64,
    tracks: BTreeMap<TrackId, Track>,
}

#[derive(Debug, Clone, Default)]
struct Track {
    inits: Vec<Hash>,
    /// Sealed chunks with their bytes.
    sealed: Vec<(Chunk, Vec<u8>)>,
    open: Vec<Part>,
}

impl Account {
    fn add(&mut self, step: &Step) {
        match step {
            Step::Setting(value) => self.setting = Some(value.clone()),
            Step::Begin(meta) => {
                let tracks = meta.tracks.iter().map(|track| (track.id.clone(), Track::default()));
                let session =
                    Session { title: meta.title.clone(), tracks: tracks.collect(), ..Session::default() };
                self.sessions.insert(meta.id, session);
            }
            Step::AddTrack(session, info) => {
                drop(self.of(*session).tracks.insert(info.id.clone(), Track::default()));
            }
            Step::Write(session, piece) => {
                let track = self.of(*session).tracks.entry(piece.track().clone()).or_default();
                track.add(piece);
            }
            Step::Gap(session, gap) => self.of(*session).gaps.push(gap.clone()),
            Step::Rename(session, title) => self.of(*session).title.clone_from(title),
            Step::Mark(session, mark) => put(mark, &mut self.of(*session).marks),
            Step::Trash(session, at) => self.of(*session).trashed_at = *at,
            Step::Confirm(session) => {
                let session = self.of(*session);
                session.confirmed = session.tracks.values().map(|track| track.sealed.len() as u64).sum();
            }
            Step::Finalize(session) => self.of(*session).finalized = true,
            Step::Delete(session) => drop(self.sessions.remove(session)),
        }
    }

    fn of(&mut self, session: SessionId) -> &mut Session {
        self.sessions.entry(session).or_default()
    }

    /// As before, but every session was ended by who wrote it.
    #[must_use]
    pub fn ended(mut self) -> Self {
        self.sessions.values_mut().for_each(|session| session.finalized = true);
        self
    }

    /// As before, but nothing is known of servers: the index is lost.
    #[must_use]
    pub fn unconfirmed(mut self) -> Self {
        self.sessions.values_mut().for_each(|session| session.confirmed = 0);
        self.pending = self.pending.filter(|step| !matches!(step, Step::Confirm(_)));
        self
    }

    /// Compares a store that was opened after a crash with what must be there. An error says what is wrong.
    pub fn check(&self, store: &ChunkStore, recovered: &Recovered, crash: Crash) -> Result<(), String> {
        store.verify_invariants()?;
        let list = store.sessions(None, usize::MAX).map_err(|error| error.to_string())?;
        let pending_session =
            |wanted: &dyn Fn(&Step) -> Option<SessionId>| self.pending.as_ref().and_then(wanted);
        let begun = pending_session(&|step| match step {
            Step::Begin(meta) => Some(meta.id),
            _ => None,
        });
        let deleted = pending_session(&|step| match step {
            Step::Delete(session) => Some(*session),
            _ => None,
        });
        for found in &list {
            let id = found.meta.id;
            if !self.sessions.contains_key(&id) && begun != Some(id) {
                return Err(format!("session {id} should not be there"));
            }
        }
        for (id, session) in &self.sessions {
            match list.iter().any(|found| found.meta.id == *id) {
                true => self
                    .check_session(store, *id, session, crash)
                    .and_then(|wider| check_upload(store, *id, session, &wider, recovered))
                    .map_err(|what| format!("session {id}: {what}"))?,
                false if deleted == Some(*id) => {}
                false => return Err(format!("session {id} is gone")),
            }
        }
        if let Some(damaged) = recovered.sessions.iter().find(|session| !session.damaged.is_empty()) {
            // Only a session whose first document never reached the disk may miss it.
            if self.sessions.contains_key(&damaged.session) {
                return Err(format!("{damaged:?}"));
            }
        }
        self.check_setting(store)
    }

    fn check_setting(&self, store: &ChunkStore) -> Result<(), String> {
        let found = store.settings().map_err(|error| error.to_string())?.remove(SETTING);
        match &self.pending {
            Some(Step::Setting(value)) if found.as_ref() == Some(value) => Ok(()),
            _ if found == self.setting => Ok(()),
            _ => Err(format!("the setting is {found:?} instead of {:?}", self.setting)),
        }
    }

    fn check_session(
        &self,
        store: &ChunkStore,
        id: SessionId,
        session: &Session,
        crash: Crash,
    ) -> Result<Session, String> {
        let manifest = store.manifest(id).map_err(|error| error.to_string())?;
        let mut wider = session.clone();
        if let Some(step) = &self.pending {
            let mut account = Self { sessions: BTreeMap::from([(id, session.clone())]), ..Self::default() };
            account.add(step);
            wider = account.sessions.remove(&id).unwrap_or(wider);
        }
        check_meta(&manifest, session, &wider)?;
        for (track, expected) in &session.tracks {
            let found = manifest.tracks.iter().find(|found| found.track.id == *track);
            let found = found.ok_or_else(|| format!("track {track} is gone"))?;
            let wider = wider.tracks.get(track).unwrap_or(expected);
            let complete = session.finalized || crash == Crash::Kill;
            expected.check(store, found, wider, complete).map_err(|what| format!("{track}: {what}"))?;
            let (missing, lost) = (expected.missing(found), manifest.meta.lost.unwrap_or_default());
            if missing > lost {
                return Err(format!("{track}: {missing:?} are missing, and the session says {lost:?}"));
            }
        }
        Ok(wider)
    }
}

/// Only an index knows what servers have; one that is lost is no excuse for saying too much.
fn check_upload(
    store: &ChunkStore,
    id: SessionId,
    session: &Session,
    wider: &Session,
    recovered: &Recovered,
) -> Result<(), String> {
    let found = store.upload(id).map_err(|error| error.to_string())?.chunks;
    if [session.confirmed, wider.confirmed].contains(&found) || recovered.rebuilt_index && found == 0 {
        Ok(())
    } else {
        Err(format!("{found} chunks are confirmed instead of {}", session.confirmed))
    }
}

/// All that is sealed of a session, to be confirmed.
fn sealed(store: &ChunkStore, session: SessionId) -> Result<Vec<(ObjectId, Option<Settled>)>, StoreError> {
    let manifest = store.manifest(session)?;
    let tracks = manifest.tracks.iter();
    let objects = tracks.flat_map(|TrackManifest { track, chunks }| {
        let inits = track.inits.iter().map(|used| (None, used.hash));
        let chunks = chunks.iter().map(|chunk| (Some(chunk.id.index), chunk.hash));
        inits.chain(chunks).map(|(index, hash)| ObjectId { track: track.id.clone(), index, hash })
    });
    Ok(objects.map(|object| (object, Some(Settled::Confirmed))).collect())
}

fn check_meta(manifest: &Manifest, session: &Session, wider: &Session) -> Result<(), String> {
    let meta = &manifest.meta;
    let state_fits = match meta.state {
        SessionState::Recording => false,
        SessionState::Finalized => wider.finalized,
        SessionState::Recovered => !session.finalized,
    };
    if !state_fits {
        return Err(format!("its state is {:?}", meta.state));
    }
    if meta.title != session.title && meta.title != wider.title {
        return Err(format!("its title is {:?}", meta.title));
    }
    if meta.marks != session.marks && meta.marks != wider.marks {
        return Err(format!("its marks are {:?}", meta.marks));
    }
    if meta.trashed_at != session.trashed_at && meta.trashed_at != wider.trashed_at {
        return Err(format!("it lies in the trash since {:?}", meta.trashed_at));
    }
    if meta.gaps != session.gaps && meta.gaps != wider.gaps {
        return Err(format!("its gaps are {:?}", meta.gaps));
    }
    Ok(())
}

impl Track {
    fn add(&mut self, piece: &Piece) {
        match piece {
            Piece::Init(init) => self.inits.push(init.hash),
            Piece::Part(part) => self.open.push(part.clone()),
            Piece::Seal(chunk) => {
                let bytes = self.open.drain(..).flat_map(|part| part.bytes).collect();
                self.sealed.push((chunk.clone(), bytes));
            }
        }
    }

    /// How much of what the store has taken is not there any more.
    fn missing(&self, found: &TrackManifest) -> Duration {
        let kept = found.chunks.get(self.sealed.len()).map_or(0, |open| open.parts.len());
        self.open.iter().skip(kept).map(|part| part.mark.span.duration()).sum()
    }

    /// `wider` has also what was asked for last. With `complete`, every part that was taken must be there.
    fn check(
        &self,
        store: &ChunkStore,
        found: &TrackManifest,
        wider: &Self,
        complete: bool,
    ) -> Result<(), String> {
        let chunks = &found.chunks;
        for (at, (chunk, bytes)) in self.sealed.iter().enumerate() {
            if chunks.get(at) != Some(chunk) {
                return Err(format!("chunk {} is {:?}", chunk.id.index, chunks.get(at)));
            }
            if store.read(&chunk.id).map_err(|error| error.to_string())? != *bytes {
                return Err(format!("chunk {} has other bytes", chunk.id.index));
            }
        }
        let rest = &chunks[self.sealed.len()..];
        let parts: Vec<&Part> = match wider.sealed.get(self.sealed.len()) {
            Some(_) => self.open.iter().collect(),
            None => wider.open.iter().collect(),
        };
        let kept = match rest {
            [] => 0,
            [open] => {
                let taken = parts.get(..open.parts.len()).ok_or("it has parts that were never written")?;
                let bytes: Vec<u8> = taken.iter().flat_map(|part| part.bytes.to_vec()).collect();
                let same = taken.iter().all(|part| part.chunk == open.id)
                    && store.read(&open.id).map_err(|error| error.to_string())? == bytes;
                if !same {
                    return Err(format!(
                        "open chunk {} is not a beginning of what was written",
                        open.id.index
                    ));
                }
                open.parts.len()
            }
            _ => return Err(format!("there are {} chunks too many", rest.len() - 1)),
        };
        if complete && kept < self.open.len() {
            return Err(format!("{kept} of {} parts are left of the open chunk", self.open.len()));
        }
        Ok(())
    }
}

/// Sets a mark in the place of one at the same instant: a step may be taken again.
fn put(mark: &Mark, marks: &mut Vec<Mark>) {
    marks.retain(|other| other.at != mark.at);
    marks.push(mark.clone());
}
