//! What the uploader is told, and what it wants done.

use api::{
    Confirmed, CreateRecording, Heartbeat, HeartbeatAnswer, Join, Joined, Manifest, ObjectSpec, Receipt,
    SignedRequest, Urls,
};
use model::{RecordingId, SessionId, UtcTime};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// Names a request among those that are under way. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A session that is to be uploaded, as the local rows have it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionPlan {
    /// The session.
    pub session: SessionId,
    /// Its recording, as the server is to know it.
    pub recording: CreateRecording,
    /// The recorder's wall clock at time zero.
    pub started_at: UtcTime,
    /// What records.
    pub client: api::ClientInfo,
    /// Chunks that were confirmed before.
    pub confirmed: u64,
    /// Sealed objects that were not.
    pub objects: Vec<ObjectSpec>,
    /// How it is closed, once it has ended; a session without is being recorded.
    pub closing: Option<Closing>,
}

/// How a session that has ended is closed at the server. Either way the answer is a receipt; what that misses is sent
/// again, until nothing is missing.
#[derive(Debug, Clone, PartialEq)]
pub enum Closing {
    /// This manifest is sent once all that it has is confirmed, since the first manifest that comes is final.
    Finalize(Arc<Manifest>),
    /// The server looks again at every object of this manifest. For receipted sessions whose local bytes are about to
    /// go. A server that has lost the manifest gets it again.
    Verify(Arc<Manifest>),
}

impl Closing {
    /// What the session consists of.
    pub fn manifest(&self) -> &Arc<Manifest> {
        let (Self::Finalize(manifest) | Self::Verify(manifest)) = self;
        manifest
    }
}

/// What the uploader is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A session waits for upload, or is being recorded. One that is known already takes over what is new.
    Session(SessionPlan),
    /// An object of a known session was sealed.
    Object(SessionId, ObjectSpec),
    /// A known session has so many gaps by now.
    Gaps(SessionId, u64),
    /// A known session has ended, and all of its objects were told.
    Ended(SessionId, Closing),
    /// A session is of no concern any more: it was deleted, or is not to be uploaded.
    Forget(SessionId),
    /// The local bytes of an object were hashed, as [`Output::Check`] asked.
    Checked(SessionId, ObjectSpec, Checked),
    /// Whether anything may be sent at all.
    Allow(Allowed),
    /// How much may be done at once.
    Limits(Limits),
    /// Somebody wants it tried now, whatever was waited for.
    Retry,
    /// A request was answered.
    Answer(RequestId, Answer),
    /// A request failed.
    Failed(RequestId, Failure),
    /// The time of the last [`Output::Wait`] has come.
    Timeout,
}

/// Whether anything may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Yes.
    Yes,
    /// No: somebody paused it, or this is not the hour or the network for it. What is under way is given up.
    No,
}

/// What the local bytes of an object are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// Those that were recorded; or nobody can say now, since their disk or their key is away.
    Whole,
    /// Others, or gone: with no hope. The manifest calls it lost.
    Lost,
}

/// How much is done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Uploads at once, at least. Not zero.
    pub parallel_min: usize,
    /// Uploads at once, at most.
    pub parallel_max: usize,
    /// Sessions that are worked on at once, besides those that are being recorded and those in trouble.
    pub sessions: usize,
    /// The longest pause between two tries.
    pub backoff_max: Duration,
    /// The pause between two tries of what only people can mend.
    pub trouble_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parallel_min: 1,
            parallel_max: 16,
            sessions: 4,
            backoff_max: Duration::from_secs(180),
            trouble_pause: Duration::from_secs(900),
        }
    }
}

/// A request. Each may be sent twice without harm.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// `POST /v1/recordings`, with an access token.
    Create(CreateRecording),
    /// `POST /v1/recordings/{id}/sessions`, with an access token.
    Join(RecordingId, Join),
    /// `POST /v1/sessions/{id}/upload-urls`.
    Urls(SessionCall, Vec<ObjectSpec>),
    /// An object's bytes, to where the server said.
    Put(SessionId, ObjectSpec, Arc<SignedRequest>),
    /// `POST /v1/sessions/{id}/confirm`.
    Confirm(SessionCall, Vec<ObjectSpec>),
    /// `POST /v1/sessions/{id}/heartbeat`.
    Heartbeat(SessionCall, Heartbeat),
    /// `POST /v1/sessions/{id}/finalize`.
    Finalize(SessionCall, Arc<Manifest>),
    /// `POST /v1/sessions/{id}/verify`.
    Verify(SessionCall),
    /// `GET /v1/sessions/{id}/receipt`.
    Receipt(SessionCall),
}

/// The session that a request is about, and its token.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionCall {
    /// The session.
    pub session: SessionId,
    /// Bearer token for its routes.
    pub token: Arc<str>,
}

impl fmt::Debug for SessionCall {
    // Tokens are printed nowhere.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionCall({})", self.session)
    }
}

/// What a request was answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To [`Request::Create`].
    Created,
    /// To [`Request::Join`].
    Joined(Joined),
    /// To [`Request::Urls`].
    Urls(Urls),
    /// To [`Request::Put`].
    Put,
    /// To [`Request::Confirm`].
    Confirmed(Confirmed),
    /// To [`Request::Heartbeat`].
    Heartbeat(HeartbeatAnswer),
    /// To [`Request::Finalize`], [`Request::Verify`] and [`Request::Receipt`].
    Receipt(Receipt),
}

/// Why a request was not done, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It did not get there: no connection, no name, no trust.
    #[error("{0}")]
    Unreachable(String),
    /// The connection broke, or nothing came for long. It may have been done.
    #[error("{0}")]
    Unknown(String),
    /// It was answered, with something else than what was asked for.
    #[error("{0}")]
    Refused(Refusal),
    /// The answer is not of this protocol: something between, or not a Spool server.
    #[error("{0}")]
    Nonsense(String),
    /// There is nobody to ask for: no login, or the secret is not to be had.
    #[error("{0}")]
    NoLogin(String),
    /// The local bytes cannot be read, or there are not as many as there should be.
    #[error("{0}")]
    Local(String),
}

/// An answer that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What, where the answer says it in Spool's way, or in that of object stores.
    pub code: Option<api::Code>,
    /// In words.
    pub detail: String,
    /// When to come again, where it says so.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            write!(f, "the answer was {}", self.status)
        } else {
            write!(f, "{} ({})", self.detail, self.status)
        }
    }
}

/// What the uploader wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send this, and tell what came of it.
    Send(RequestId, Request),
    /// Give this up; what came of it is not asked for.
    Cancel(RequestId),
    /// An object is at the server, durable and right: keep that.
    Confirmed(SessionId, ObjectSpec),
    /// What was confirmed is not there any more: forget that. It will be sent again.
    Missing(SessionId, ObjectSpec),
    /// The server found other bytes than were recorded, or they could not be read here: hash the local ones, and tell
    /// by [`Input::Checked`].
    Check(SessionId, ObjectSpec),
    /// The server's receipt for a session: keep it. A complete one ends the session here.
    Receipt(SessionId, Receipt),
    /// What is in the way of a session, or of everything, has changed.
    Trouble(Option<SessionId>, Option<Trouble>),
    /// There is room for more sessions: tell the oldest one that waits, if there is one.
    More,
    /// Tell the time by [`Input::Timeout`] when it is this late. Takes the place of any before.
    Wait(Instant),
    /// Nothing is left to do of what was told.
    Done,
}

/// What is in the way, in words for people; the variants are for programs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The server does not answer. Tried again by itself.
    #[error("The server cannot be reached: {0}")]
    Away(String),
    /// The object store does not answer. Tried again by itself.
    #[error("The object store cannot be reached: {0}")]
    StoreAway(String),
    /// The server or its store asks to come later. Tried again by itself.
    #[error("The server is busy: {0}")]
    Busy(String),
    /// The server's disk is full. Tried again by itself.
    #[error("The server has no space left: {0}")]
    Full(String),
    /// Somebody must log in.
    #[error("This device is not logged in to the server: {0}")]
    Login(String),
    /// The login does not allow it.
    #[error("The server does not allow this: {0}")]
    Forbidden(String),
    /// The recording was deleted at the server.
    #[error("The recording was deleted at the server: {0}")]
    Gone(String),
    /// The server does not answer as this version expects: it is another version, or none of Spool's.
    #[error("The server does not answer as a Spool server of this version does: {0}")]
    Strange(String),
    /// The server holds something else under the same name, and will not change it.
    #[error("The server holds something else in its place: {0}")]
    Taken(String),
}

impl Trouble {
    /// Whether only people can mend it. It is tried again all the same, but rarely.
    pub fn needs_people(&self) -> bool {
        match self {
            Self::Away(_) | Self::StoreAway(_) | Self::Busy(_) | Self::Full(_) => false,
            Self::Login(_) | Self::Forbidden(_) | Self::Gone(_) | Self::Strange(_) | Self::Taken(_) => true,
        }
    }

    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Away(_) => "away",
            Self::StoreAway(_) => "store-away",
            Self::Busy(_) => "busy",
            Self::Full(_) => "full",
            Self::Login(_) => "login",
            Self::Forbidden(_) => "forbidden",
            Self::Gone(_) => "gone",
            Self::Strange(_) => "strange",
            Self::Taken(_) => "taken",
        }
    }
}

/// How far everything has come, for people.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct View {
    /// Sessions that are worked on, in order of preference.
    pub sessions: Vec<SessionView>,
    /// Uploads that are under way.
    pub sending: usize,
    /// Uploads that would be under way at once if there were enough to do.
    pub parallel: usize,
    /// What is in the way of everything.
    pub trouble: Option<Trouble>,
    /// When it is tried again, where something is in the way of everything.
    pub retry_at: Option<Instant>,
    /// Whether sending is forbidden ([`Allowed::No`]).
    pub paused: bool,
}

impl View {
    /// How far the upload of what is being recorded lags behind.
    pub fn lag(&self) -> Duration {
        self.sessions
            .iter()
            .filter(|session| session.live)
            .map(|session| session.lag)
            .max()
            .unwrap_or_default()
    }
}

/// How far a session has come, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionView {
    /// The session.
    pub session: SessionId,
    /// Whether it is being recorded.
    pub live: bool,
    /// Objects that are not confirmed yet.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Chunks that are confirmed.
    pub confirmed: u64,
    /// Since when its oldest unconfirmed object waits.
    pub lag: Duration,
    /// What is in its way.
    pub trouble: Option<Trouble>,
}
