//! The loop and the settings: read before anything depends on them, since people may write to their file.

use super::Loop;
use crate::{command::Reply, error::EngineError, settings::Settings};

impl Loop {
    /// People may have written to the file.
    pub(super) fn reload(&mut self) -> Result<(), EngineError> {
        let (settings, ignored) = Settings::new(self.store.settings()?);
        for reason in ignored {
            tracing::warn!(reason, "a setting is ignored");
        }
        if settings != self.settings {
            self.settings = settings;
            self.settings_changes += 1;
        }
        Ok(())
    }

    pub(super) fn set(&mut self, key: &str, value: Option<&str>) -> Result<Reply, EngineError> {
        self.reload()?;
        let mut wished = self.settings.clone();
        wished.set(key, value)?;
        self.store.set_setting(key, value)?;
        self.reload()?;
        self.settings.setting(key).map(|one| Reply::Settings(vec![one]))
    }

    /// With it the desktop need not ask its user again.
    pub(super) fn remember_token(&mut self, token: &str) {
        if let Err(error) = self.set(Settings::SCREEN_TOKEN, Some(token)) {
            tracing::warn!(%error, "the desktop will ask again: its answer cannot be kept");
        }
    }
}
