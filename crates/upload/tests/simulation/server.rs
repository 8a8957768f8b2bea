//! A model of the coordinator and its object store: their rules, in memory.

use api::{
    Code, ConfirmAnswer, Confirmed, HeartbeatAnswer, Joined, Manifest, ObjectSpec, Phase, Receipt,
    SessionStatus, SignedRequest, UploadAnswer, Urls, Vouched, Vouchers,
};
use model::{Hash, RecordingId, SessionId, UtcTime};
use spool_upload::core::{Answer, Failure, Refusal, Request, SessionCall};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

pub const URL_LASTS: Duration = Duration::from_secs(120);
pub const TOKEN_LASTS: Duration = Duration::from_secs(600);

/// What the server's database has, and a copy of it may bring back.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    recordings: BTreeSet<RecordingId>,
    pub sessions: BTreeMap<SessionId, Line>,
}

#[derive(Debug, Clone)]
pub struct Line {
    recording: RecordingId,
    /// By track and index; init segments by hash.
    pub confirmed: BTreeMap<String, ObjectSpec>,
    pub manifest: Option<Arc<Manifest>>,
}

/// What is stored under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    Whole,
    Damaged,
}

#[derive(Debug, Default)]
pub struct Server {
    pub rows: Rows,
    pub store: BTreeMap<String, Stored>,
    pub deleted: BTreeSet<RecordingId>,
    /// Grows when its secret changes, which kills all tokens and URLs.
    pub secret: u64,
    /// Whether the store hashes what comes, and refuses what is wrong.
    pub store_verifies: bool,
    /// Bodies that were written, by name.
    pub writes: BTreeMap<String, u32>,
}

pub fn refused(code: Code) -> Failure {
    Failure::Refused(Refusal {
        status: code.status(),
        code: Some(code),
        detail: code.to_string(),
        retry_after: None,
    })
}

fn row_key(spec: &ObjectSpec) -> String {
    match spec.index {
        Some(index) => format!("{}/{index}", spec.track),
        None => format!("{}/{}", spec.track, spec.sha256),
    }
}

pub fn name(session: SessionId, spec: &ObjectSpec) -> String {
    format!("{session}/{}", spec.name())
}

impl Server {
    /// Answers a request that arrived. `flipped` says that its body was damaged on the way.
    pub fn answer(
        &mut self,
        request: &Request,
        flipped: bool,
        now: Instant,
        zero: Instant,
    ) -> Result<Answer, Failure> {
        let time = now.duration_since(zero);
        match request {
            Request::Create(create) => {
                self.not_deleted(create.id)?;
                self.rows.recordings.insert(create.id);
                Ok(Answer::Created)
            }
            Request::Join(recording, join) => {
                self.not_deleted(*recording)?;
                if !self.rows.recordings.contains(recording) {
                    return Err(refused(Code::NotFound));
                }
                let line = || Line { recording: *recording, confirmed: BTreeMap::new(), manifest: None };
                self.rows.sessions.entry(join.id).or_insert_with(line);
                Ok(Answer::Joined(Joined {
                    token: format!("{} {} {}", self.secret, (time + TOKEN_LASTS).as_nanos(), join.id),
                    expires_in: TOKEN_LASTS.as_secs(),
                    server_time: UtcTime(0),
                    status: self.status(join.id),
                }))
            }
            Request::Urls(call, objects) => {
                self.open(call, time)?;
                let answers = objects.iter().map(|spec| self.url(call.session, spec, time)).collect();
                Ok(Answer::Urls(Urls { objects: answers }))
            }
            Request::Put(session, spec, put) => self.put(*session, spec, &put.url, flipped, time),
            Request::Confirm(call, objects) => {
                self.open(call, time)?;
                let answers = objects.iter().map(|spec| self.confirm(call.session, spec)).collect();
                Ok(Answer::Confirmed(Confirmed { objects: answers }))
            }
            Request::Heartbeat(call, _) => {
                let confirmed = self.open(call, time)?.confirmed.len() as u64;
                let status = self.status(call.session);
                Ok(Answer::Heartbeat(HeartbeatAnswer {
                    server_time: UtcTime(0),
                    status,
                    confirmed,
                    slow_down: 0,
                }))
            }
            Request::Finalize(call, manifest) => {
                let line = self.open(call, time)?;
                if *line.manifest.get_or_insert_with(|| manifest.clone()) != *manifest {
                    return Err(refused(Code::ManifestTaken));
                }
                Ok(Answer::Receipt(self.receipt(call.session)))
            }
            Request::Receipt(call) => {
                self.open(call, time)?;
                Ok(Answer::Receipt(self.receipt(call.session)))
            }
            Request::Verify(call) => {
                self.open(call, time)?;
                self.verify(call.session);
                Ok(Answer::Receipt(self.receipt(call.session)))
            }
        }
    }

    fn not_deleted(&self, recording: RecordingId) -> Result<(), Failure> {
        if self.deleted.contains(&recording) { Err(refused(Code::Gone)) } else { Ok(()) }
    }

    /// The session of a call whose token is valid.
    fn open(&mut self, call: &SessionCall, time: Duration) -> Result<&mut Line, Failure> {
        let mut parts = call.token.split(' ');
        let mut number = || parts.next().and_then(|part| part.parse::<u128>().ok());
        if number() != Some(u128::from(self.secret)) {
            return Err(refused(Code::Unauthorized));
        }
        if number().is_none_or(|until| until <= time.as_nanos()) {
            return Err(refused(Code::TokenExpired));
        }
        let line = self.rows.sessions.get_mut(&call.session).ok_or_else(|| refused(Code::NotFound))?;
        if self.deleted.contains(&line.recording) {
            return Err(refused(Code::Gone));
        }
        Ok(line)
    }

    fn url(&self, session: SessionId, spec: &ObjectSpec, time: Duration) -> UploadAnswer {
        let line = &self.rows.sessions[&session];
        match line.confirmed.get(&row_key(spec)) {
            Some(row) if row.sha256 == spec.sha256 => UploadAnswer::Verified,
            Some(_) => UploadAnswer::IndexTaken,
            None if self.is_closed_to(session, spec) => UploadAnswer::SessionDone,
            None => UploadAnswer::Put(SignedRequest {
                method: "PUT".to_owned(),
                url: format!("{} {} {}", self.secret, (time + URL_LASTS).as_nanos(), name(session, spec)),
                headers: BTreeMap::new(),
                expires_in: URL_LASTS.as_secs(),
            }),
        }
    }

    fn is_closed_to(&self, session: SessionId, spec: &ObjectSpec) -> bool {
        self.status(session).phase == Phase::Done
            && !self.rows.sessions[&session]
                .manifest
                .as_ref()
                .is_some_and(|it| it.objects().any(|o| o == spec))
    }

    fn put(
        &mut self,
        session: SessionId,
        spec: &ObjectSpec,
        url: &str,
        flipped: bool,
        time: Duration,
    ) -> Result<Answer, Failure> {
        let parts: Vec<_> = url.split(' ').collect();
        let until: u128 = parts[1].parse().expect("a number");
        if parts[0] != self.secret.to_string() || until <= time.as_nanos() {
            return Err(refused(Code::SignatureInvalid));
        }
        assert_eq!(parts[2], name(session, spec), "a URL was used for something else");
        let row = self.rows.sessions.get(&session).and_then(|line| line.confirmed.get(&row_key(spec)));
        if row.is_some_and(|row| row.sha256 == spec.sha256) {
            return Err(refused(Code::AlreadyConfirmed));
        }
        if flipped && self.store_verifies {
            return Err(refused(Code::HashMismatch));
        }
        let stored = if flipped { Stored::Damaged } else { Stored::Whole };
        self.store.insert(parts[2].to_owned(), stored);
        *self.writes.entry(parts[2].to_owned()).or_default() += 1;
        Ok(Answer::Put)
    }

    fn confirm(&mut self, session: SessionId, spec: &ObjectSpec) -> ConfirmAnswer {
        let closed = self.is_closed_to(session, spec);
        let stored = self.store.get(&name(session, spec)).copied();
        let line = self.rows.sessions.get_mut(&session).expect("a session");
        match (line.confirmed.get(&row_key(spec)), stored) {
            (Some(row), _) if row.sha256 != spec.sha256 => ConfirmAnswer::IndexTaken,
            (Some(_), _) => ConfirmAnswer::Verified { by: Vouched::ReadBack },
            _ if closed => ConfirmAnswer::SessionDone,
            (None, Some(Stored::Whole)) => {
                line.confirmed.insert(row_key(spec), spec.clone());
                ConfirmAnswer::Verified { by: Vouched::ReadBack }
            }
            (None, Some(Stored::Damaged)) => ConfirmAnswer::Damaged,
            (None, None) => ConfirmAnswer::Missing,
        }
    }

    fn verify(&mut self, session: SessionId) {
        let Self { rows, store, .. } = self;
        let line = rows.sessions.get_mut(&session).expect("a session");
        line.confirmed.retain(|_, spec| store.get(&name(session, spec)) == Some(&Stored::Whole));
    }

    pub fn status(&self, session: SessionId) -> SessionStatus {
        let line = &self.rows.sessions[&session];
        let is_here = |spec: &ObjectSpec| line.confirmed.contains_key(&row_key(spec));
        let phase = match &line.manifest {
            None => Phase::Active,
            Some(manifest) if manifest.objects().all(is_here) => Phase::Done,
            Some(_) => Phase::Finalizing,
        };
        SessionStatus { phase, provisional: false }
    }

    pub fn receipt(&self, session: SessionId) -> Receipt {
        let line = &self.rows.sessions[&session];
        let is_here = |spec: &&ObjectSpec| line.confirmed.contains_key(&row_key(spec));
        let is_chunk = |spec: &&ObjectSpec| spec.index.is_some();
        let objects: Vec<_> = match &line.manifest {
            Some(manifest) => manifest.objects().collect(),
            None => line.confirmed.values().collect(),
        };
        // As many as the real one names at most, but few enough to need several rounds here.
        let missing =
            objects.iter().filter(|spec| !is_here(spec)).take(10).map(|spec| (*spec).clone()).collect();
        Receipt {
            recording: line.recording,
            session,
            status: self.status(session),
            expected: objects.iter().filter(|spec| is_chunk(spec)).count() as u64,
            verified: objects.iter().filter(|spec| is_chunk(spec) && is_here(spec)).count() as u64,
            bytes: line.confirmed.values().map(|spec| spec.size).sum(),
            vouched: Vouchers { read_back: line.confirmed.len() as u64, store: 0 },
            missing,
            lost: line.manifest.as_ref().map_or(0, |manifest| manifest.lost.len() as u64),
            manifest: line.manifest.as_ref().map(|_| Hash([0; 32])),
            at: UtcTime(0),
        }
    }
}
