//! The access token: short-lived, kept in memory alone, and fetched by the secret when it is needed.

use super::{Local, answer};
use crate::core::{Failure, Refusal};
use api::{Access, Refresh};
use reqwest::Client;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

struct Token {
    text: Arc<str>,
    until: Instant,
}

/// Who we are at the server.
pub(super) struct Login {
    local: Arc<dyn Local>,
    /// Held while one is fetched, so that one request does it for all.
    token: Mutex<Option<Token>>,
}

impl Login {
    pub(super) fn new(local: Arc<dyn Local>) -> Self {
        Self { local, token: Mutex::new(None) }
    }

    /// A token that is valid, or was when the server gave it. `refused` is one that the server did not take.
    pub(super) async fn token(
        &self,
        client: &Client,
        url: &str,
        timeout: Duration,
        refused: Option<&str>,
    ) -> Result<Arc<str>, Failure> {
        let mut token = self.token.lock().await;
        let is_good = |token: &&Token| token.until > Instant::now() && refused != Some(&*token.text);
        if let Some(token) = token.as_ref().filter(is_good) {
            return Ok(token.text.clone());
        }
        *token = None;
        let local = self.local.clone();
        let secret = tokio::task::spawn_blocking(move || local.secret()).await;
        let secret =
            secret.map_err(|error| Failure::NoLogin(error.to_string()))?.map_err(Failure::NoLogin)?;
        let asked = Instant::now();
        let response = client.post(url).timeout(timeout).json(&Refresh { secret }).send().await;
        let response = response.map_err(|error| answer::failure(&error))?;
        let access: Access = answer::document(response).await.map_err(is_login)?;
        let lasts = Duration::from_secs(access.expires_in.min(30 * 86_400));
        let until = asked + lasts - (lasts / 4).min(Duration::from_secs(60));
        let text: Arc<str> = access.token.into();
        *token = Some(Token { text: text.clone(), until });
        Ok(text)
    }
}

/// A secret that the server does not take is no login.
fn is_login(failure: Failure) -> Failure {
    match failure {
        Failure::Refused(Refusal { status: 400 | 401 | 403, detail, .. }) => Failure::NoLogin(detail),
        other => other,
    }
}
