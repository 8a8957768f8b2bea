//! Logging in and out: by a secret, or by a pairing that somebody approves in a browser.

use super::{Uploads, secret::Secrets};
use crate::{
    command::{Account, Event, Pairing, Reply, Secret},
    error::{EngineError, Problem},
    platform,
    run::Input,
    settings::{Settings, UploadSettings},
    threads::spawn,
};
use api::{Access, Scope};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::time::{Duration, Instant};
use store::ChunkStore;
use upload::{
    driver::Setup,
    login::{Door, LoginError},
};

/// A server that asks to be asked more often is asked so often.
const POLL_MIN: Duration = Duration::from_secs(1);

/// Most characters of a device's name.
const LABEL_MAX: usize = 100;

/// The setup of the driver and of logins alike.
pub(super) fn setup(settings: &UploadSettings, server: &str) -> Setup {
    Setup {
        proxy: settings.proxy.clone(),
        extra_roots: settings.ca.clone(),
        cap: settings.cap,
        ..Setup::new(server)
    }
}

/// What people see of this machine at the server.
fn device() -> String {
    api::plain(&format!("spool on {}", platform::device_name()), LABEL_MAX)
}

/// Lets this machine in.
pub(crate) fn login(uploads: &Uploads, server: &str, token: Option<Secret>) -> Result<Reply, EngineError> {
    let door = door(&uploads.store, server)?;
    match token {
        Some(token) => {
            let secret = prove(&door, token.0.trim())?;
            admit(uploads, door.server(), &secret).map(Reply::LoggedIn)
        }
        None => pair(uploads, door),
    }
}

/// Forgets the login, and tells the server so.
pub(crate) fn logout(uploads: &Uploads) -> Result<Reply, EngineError> {
    let was_pairing = uploads.end_pairing();
    let Some(server) = settings(&uploads.store)?.server else {
        return if was_pairing { Ok(Reply::Done) } else { Err(EngineError::NotLoggedIn) };
    };
    let secrets = Secrets::new(uploads.store.dir());
    let left = secrets
        .find(&server)
        .map_err(EngineError::Invalid)
        .and_then(|secret| Ok(door(&uploads.store, &server)?.leave(&secret)?));
    if let Err(error) = left {
        tracing::warn!(%error, "the server could not be told of the logout; its secret is forgotten here");
    }
    secrets.forget(&server);
    uploads.store.set_setting(Settings::SERVER, None)?;
    uploads.logged_in();
    Ok(Reply::Done)
}

/// What people chose.
pub(super) fn settings(store: &ChunkStore) -> Result<UploadSettings, EngineError> {
    Ok(Settings::new(store.settings()?).0.uploads())
}

fn door(store: &ChunkStore, server: &str) -> Result<Door, EngineError> {
    Ok(Door::new(&setup(&settings(store)?, server))?)
}

/// The secret that is kept: the one that was given, or, where that may do everything, another that may only record.
fn prove(door: &Door, secret: &str) -> Result<String, EngineError> {
    let label = device();
    match door.enter(secret) {
        Ok(Access { scopes, token, .. }) if scopes.contains(&Scope::Admin) => {
            Ok(door.mint(&token, &label)?.secret)
        }
        Ok(_) => Ok(secret.to_owned()),
        // Perhaps it is the server's own, which is never refreshed.
        Err(refused @ LoginError::Refused(_)) => match door.mint(secret, &label) {
            Ok(minted) => Ok(minted.secret),
            Err(_) => Err(refused.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Keeps the secret, then the server's name.
fn admit(uploads: &Uploads, server: &str, secret: &str) -> Result<Account, EngineError> {
    let account = Secrets::new(uploads.store.dir()).keep(server, secret)?;
    uploads.store.set_setting(Settings::SERVER, Some(server))?;
    uploads.logged_in();
    tracing::info!(server, kept = account.kept, "logged in");
    Ok(account)
}

fn pair(uploads: &Uploads, door: Door) -> Result<Reply, EngineError> {
    let begun = door.knock(&device())?;
    let told = Pairing {
        server: door.server().to_owned(),
        user_code: begun.user_code.clone(),
        url: begun.url.clone(),
        expires_in_s: begun.expires_in,
    };
    let (stop, stopped) = bounded(0);
    uploads.begin_pairing(stop);
    let waiting = uploads.clone();
    spawn("pairing", move || {
        let server = door.server().to_owned();
        let event = match wait(&door, &begun, &stopped) {
            None => return,
            Some(Ok(secret)) => admit(&waiting, &server, &secret).map(Event::LoggedIn),
            Some(Err(error)) => Err(error),
        };
        let event =
            event.unwrap_or_else(|error| Event::LoginFailed { server, problem: Problem::from(&error) });
        waiting.tell(Input::Tell(Box::new(event)));
    })?;
    Ok(Reply::Pairing(told))
}

/// Until somebody approved, or nobody can any more; none where nobody waits for it.
fn wait(door: &Door, begun: &api::Pairing, stopped: &Receiver<()>) -> Option<Result<String, EngineError>> {
    let over = Instant::now() + Duration::from_secs(begun.expires_in);
    let pause = Duration::from_secs(begun.interval).max(POLL_MIN);
    while Instant::now() < over {
        if stopped.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
            return None;
        }
        match door.wait(&begun.device_code) {
            Ok(None) => {}
            Ok(Some(Access { secret: Some(secret), .. })) => return Some(Ok(secret)),
            Ok(Some(_)) => {
                let why = "the server let this machine in without a secret for the next time".to_owned();
                return Some(Err(EngineError::Invalid(why)));
            }
            // The network comes and goes, and people are busy with a browser.
            Err(LoginError::Away { .. }) => {}
            Err(error) => return Some(Err(error.into())),
        }
    }
    Some(Err(EngineError::Invalid("nobody approved it in time; `spool login` begins anew".to_owned())))
}

impl Uploads {
    /// From now on this one is waited for, and none before.
    fn begin_pairing(&self, stop: Sender<()>) {
        *self.pairing() = Some(stop);
    }

    /// Whether one was waited for.
    fn end_pairing(&self) -> bool {
        self.pairing().take().is_some()
    }
}
