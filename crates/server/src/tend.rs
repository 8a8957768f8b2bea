//! What the server does without being asked.
//!
//! Owns: when. What is to be done is [`crate::coordinator::Coordinator::tend`]'s affair.

use crate::state::App;
use std::time::Duration;

/// At the latest after so long it is looked whether there is something to do.
const EVERY: Duration = Duration::from_secs(5);
/// What comes in so short a time is done together.
const TOGETHER: Duration = Duration::from_millis(200);

/// Works until it is dropped. Every step may be cut off and is then done the next time.
pub async fn tend(app: App) {
    loop {
        match app.coordinator.tend(app.clock.utc()).await {
            // Either way there is a look.
            Ok(()) => drop(tokio::time::timeout(EVERY, app.coordinator.work()).await),
            Err(error) => {
                tracing::warn!(%error, "something must wait");
                tokio::time::sleep(EVERY).await;
            }
        }
        tokio::time::sleep(TOGETHER).await;
    }
}
