//! What the server does without being asked.
//!
//! Owns: when. What is to be done is the affair of those who are called: of
//! [`crate::coordinator::Coordinator`] above all.

use crate::{objects::Key, state::App};
use std::time::Duration;

/// At the latest after so long it is looked whether there is something to do.
const EVERY: Duration = Duration::from_secs(5);
/// What comes in so short a time is done together.
const TOGETHER: Duration = Duration::from_millis(200);
/// How often little things are put away.
const TIDY: Duration = Duration::from_secs(60);
/// How often it is looked for large files that nobody goes on with, which take days to be given up.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// Works until it is dropped. Every step may be cut off and is then done the next time.
pub async fn tend(app: App) {
    // Deleting may take minutes, and silence is heard meanwhile.
    tokio::join!(greet(&app), listen(&app), coordinate(&app), tidy(&app), sweep(&app));
}

async fn listen(app: &App) {
    loop {
        tokio::time::sleep(EVERY).await;
        match app.coordinator.finalize_silent(app.clock.utc()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "sessions fell silent"),
            Err(error) => tracing::warn!(%error, "silent sessions must wait"),
        }
    }
}

async fn coordinate(app: &App) {
    loop {
        match app.coordinator.tend(app.clock.utc()).await {
            // Either way there is a look.
            Ok(()) => drop(tokio::time::timeout(EVERY, app.coordinator.work()).await),
            Err(error) => {
                tracing::warn!(%error, "documents and deletions must wait");
                tokio::time::sleep(EVERY).await;
            }
        }
        tokio::time::sleep(TOGETHER).await;
    }
}

/// Writes down when tokens were used, and forgets who asked long ago.
async fn tidy(app: &App) {
    loop {
        tokio::time::sleep(TIDY).await;
        app.limits.forget();
        if let Err(error) = app.access.write_uses().await {
            tracing::warn!(%error, "the use of tokens is written down later");
        }
    }
}

/// Asks the object store something, so that its clock is known before anything is signed for it, and says early that it
/// does not answer.
async fn greet(app: &App) {
    let Some(anything) = Key::new("spool") else { return };
    if let Err(error) = app.objects.store.list(&anything).await {
        tracing::warn!(%error, "the object store does not answer");
    }
}

async fn sweep(app: &App) {
    loop {
        match app.uploads.sweep(app.clock.utc()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "large files that nobody went on with were given up"),
            Err(refusal) => tracing::warn!(error = %refusal.problem, "large files must wait to be given up"),
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}
