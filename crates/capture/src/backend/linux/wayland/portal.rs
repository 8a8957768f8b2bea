//! The desktop's portal: what it offers, the question to the user, and the session that comes of a yes.
//!
//! Owns everything that is said over D-Bus, on a connection of its own for each capture, whose end also ends the
//! session. Never waits without a limit, but for the user.

use super::{Fault, Wanted};
use crate::backend::Stop;
use ashpd::{
    PortalError,
    desktop::{
        PersistMode, ResponseError, Session,
        screencast::{CursorMode, Screencast, SelectSourcesOptions, SourceType},
    },
    enumflags2::BitFlags,
    zbus::{self, DBusError as _},
};
use async_io::Timer;
use futures_lite::{Stream, StreamExt as _, future};
use std::{
    future::Future,
    os::fd::OwnedFd,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

/// A portal that has to be started first, on a busy machine.
const REPLY: Duration = Duration::from_secs(10);
/// Saying goodbye is polite, and the end of the connection says the same.
const GOODBYE: Duration = Duration::from_millis(200);
/// Tokens are told from this version on.
const TOKENS_SINCE: u32 = 4;

const NO_BUS: &str = "there is no D-Bus session bus, through which a desktop is asked for its pictures";
const NO_PORTAL: &str = "no desktop portal runs: install the package xdg-desktop-portal and the portal of your desktop, such as \
     xdg-desktop-portal-gnome, xdg-desktop-portal-kde or xdg-desktop-portal-wlr";
const NO_SCREENCAST: &str = "the desktop's portal shares no screens: install the portal of your desktop, such as \
     xdg-desktop-portal-gnome, xdg-desktop-portal-kde or xdg-desktop-portal-wlr";
const REFUSED: &str = "the desktop's question was answered with no; record again to be asked again";

/// What the portal shares.
pub(super) fn offered() -> Result<Vec<Wanted>, Fault> {
    let types = future::block_on(within(REPLY, async {
        let portal = connect().await?;
        portal.available_source_types().await.map_err(fault_of)
    }))?;
    let offers = |wanted: &Wanted| types.contains(wanted.source_type());
    Ok([Wanted::Monitor, Wanted::Window].into_iter().filter(offers).collect())
}

/// Signals whose coming is all that matters.
type Signals = Pin<Box<dyn Stream<Item = ()>>>;

/// What the user allowed.
pub(super) struct Cast {
    session: Session<Screencast>,
    closed: Signals,
    /// Of the portal's own life: an item is another one, or none.
    owners: Signals,
    /// A connection to PipeWire that shows what was allowed and nothing else.
    pub remote: Option<OwnedFd>,
    /// PipeWire's name for what is shown.
    pub node: u32,
    /// Spares the question the next time.
    pub token: Option<String>,
}

/// What a portal says by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// The session is over: the user ended it, or what it showed is gone.
    Closed,
    /// The portal itself is gone.
    Gone,
}

impl Cast {
    /// What the portal said since this was asked last.
    pub fn news(&mut self) -> Option<News> {
        let mut context = Context::from_waker(Waker::noop());
        let mut said = |signals: &mut Signals| signals.as_mut().poll_next(&mut context);
        match (said(&mut self.owners), said(&mut self.closed)) {
            // Both also end when the bus does.
            (Poll::Ready(_), _) | (_, Poll::Ready(None)) => Some(News::Gone),
            (_, Poll::Ready(Some(()))) => Some(News::Closed),
            (Poll::Pending, Poll::Pending) => None,
        }
    }

    /// Ends the session.
    pub fn close(self) {
        let goodbye = async {
            // One that is over already says so.
            let _ = self.session.close().await;
            Ok(())
        };
        let _ = future::block_on(within(GOODBYE, goodbye));
    }
}

/// Asks the user; with a token that is still good, the portal answers by itself.
pub(super) async fn ask(wanted: Wanted, token: Option<&str>) -> Result<Cast, Fault> {
    match ask_with(wanted, token).await {
        // Not every portal passes over a token that it cannot read.
        Err(Fault::Failed(message)) if token.is_some() => {
            tracing::info!(%message, "asking again without the token");
            ask_with(wanted, None).await
        }
        other => other,
    }
}

async fn ask_with(wanted: Wanted, token: Option<&str>) -> Result<Cast, Fault> {
    let portal = within(REPLY, connect()).await?;
    let Prepared { session, closed, mut owners } = within(REPLY, prepare(&portal, wanted, token)).await?;
    let answer = async {
        let started = portal.start(&session, None, Default::default()).await;
        started.and_then(|request| request.response()).map_err(fault_of)
    };
    let dead = async {
        owners.next().await;
        Err(Fault::Server("it went away with its question".to_owned()))
    };
    let answer = future::or(answer, dead).await?;
    let stream = answer.streams().first();
    let node =
        stream.ok_or_else(|| Fault::Failed("the portal shared nothing".to_owned()))?.pipe_wire_node_id();
    let remote = portal.open_pipe_wire_remote(&session, Default::default());
    let remote = within(REPLY, async { remote.await.map_err(fault_of) }).await?;
    let token = answer.restore_token().map(str::to_owned);
    Ok(Cast { session, closed, owners, remote: Some(remote), node, token })
}

/// A session in which the question can be asked.
struct Prepared {
    session: Session<Screencast>,
    closed: Signals,
    owners: Signals,
}

/// All that comes before the question.
async fn prepare(portal: &Screencast, wanted: Wanted, token: Option<&str>) -> Result<Prepared, Fault> {
    let types = portal.available_source_types().await.map_err(fault_of)?;
    if !types.contains(wanted.source_type()) {
        return Err(Fault::Lacks("this desktop's portal does not share that".to_owned()));
    }
    let owners = portal.receive_owner_changed().await.map_err(|error| fault_of(error.into()))?;
    let session = portal.create_session(Default::default()).await.map_err(fault_of)?;
    let closed = closings(portal.connection()).await.map_err(|error| fault_of_bus(&error))?;
    // Portals of the first version do not say which they have, and show it in the picture.
    let cursors = portal.available_cursor_modes().await.unwrap_or_default();
    let mut options = SelectSourcesOptions::default()
        .set_sources(BitFlags::from(wanted.source_type()))
        .set_multiple(false)
        .set_cursor_mode(best(cursors));
    if portal.version() >= TOKENS_SINCE {
        options = options.set_persist_mode(PersistMode::ExplicitlyRevoked).set_restore_token(token);
    }
    let selected = portal.select_sources(&session, options).await;
    selected.and_then(|request| request.response()).map_err(fault_of)?;
    Ok(Prepared { session, closed, owners: owners.map(drop).boxed_local() })
}

/// A session of this connection was closed. There is one at most, so it need not be named.
async fn closings(connection: &zbus::Connection) -> zbus::Result<Signals> {
    let rule = zbus::MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .interface("org.freedesktop.portal.Session")?
        .member("Closed")?
        .build();
    let signals = zbus::MessageStream::for_match_rule(rule, connection, None).await?;
    Ok(signals.map(drop).boxed_local())
}

/// A pointer that is told apart from the picture can be moved without sending the picture again.
fn best(cursors: BitFlags<CursorMode>) -> Option<CursorMode> {
    [CursorMode::Metadata, CursorMode::Embedded, CursorMode::Hidden]
        .into_iter()
        .find(|mode| cursors.contains(*mode))
}

impl Wanted {
    fn source_type(self) -> SourceType {
        match self {
            Self::Monitor => SourceType::Monitor,
            Self::Window => SourceType::Window,
        }
    }
}

async fn connect() -> Result<Screencast, Fault> {
    let connection = zbus::Connection::session().await;
    let connection = connection.map_err(|error| Fault::Lacks(format!("{NO_BUS} ({error})")))?;
    Screencast::with_connection(connection).await.map_err(fault_of)
}

/// `work`, or the fault that it takes too long.
async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let late = async {
        Timer::after(limit).await;
        Err(Fault::Server(format!("it did not answer within {} s", limit.as_secs_f32())))
    };
    future::or(work, late).await
}

/// Waits on this thread for `work`, or until stopped, and then gives nothing.
pub(super) fn until<T>(stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut context, mut work) = (Context::from_waker(&waker), pin!(work));
    while !stop.is_set() {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return Some(done);
        }
        // Whoever stops it unparks it too, and unparking before parking counts.
        thread::park();
    }
    None
}

fn fault_of(error: ashpd::Error) -> Fault {
    match error {
        ashpd::Error::Response(ResponseError::Cancelled) => Fault::Denied(REFUSED.to_owned()),
        ashpd::Error::Response(ResponseError::Other) => {
            Fault::Failed("the desktop's portal failed without saying why".to_owned())
        }
        ashpd::Error::Portal(PortalError::NotAllowed(text)) => Fault::Denied(text),
        ashpd::Error::Portal(PortalError::ZBus(error)) | ashpd::Error::Zbus(error) => fault_of_bus(&error),
        ashpd::Error::PortalNotFound(_) => Fault::Lacks(NO_SCREENCAST.to_owned()),
        other => Fault::Failed(other.to_string()),
    }
}

fn fault_of_bus(error: &zbus::Error) -> Fault {
    let name = match error {
        zbus::Error::MethodError(name, ..) => name.to_string(),
        zbus::Error::FDO(error) => error.name().to_string(),
        _ => String::new(),
    };
    match name.strip_prefix("org.freedesktop.DBus.Error.").unwrap_or_default() {
        "ServiceUnknown" | "NameHasNoOwner" => Fault::Lacks(NO_PORTAL.to_owned()),
        "UnknownInterface" | "UnknownMethod" | "UnknownProperty" | "UnknownObject" | "InvalidArgs" => {
            Fault::Lacks(NO_SCREENCAST.to_owned())
        }
        "AccessDenied" | "AuthFailed" => Fault::Denied(error.to_string()),
        _ => Fault::Server(error.to_string()),
    }
}
