//! The loop and uploads: what people see of them, and what gives way where they lag behind.

use super::Loop;
use crate::command::UploadStatus;
use std::time::Duration;

/// A recording whose oldest unsent chunk has waited for longer gets longer chunks, so that fewer are to be sent.
const BEHIND: Duration = Duration::from_secs(60);
/// And those of the usual length again once none has waited for longer than this.
const CAUGHT_UP: Duration = Duration::from_secs(15);

impl Loop {
    pub(super) fn uploads(&mut self, status: UploadStatus) {
        let lag = Duration::from_millis(status.lag_ms);
        self.upload = status;
        let change = match &mut self.session {
            Some(session) if lag > BEHIND => session.lag(true),
            Some(session) if lag < CAUGHT_UP => session.lag(false),
            _ => None,
        };
        match change {
            Some(true) => {
                let message = "longer chunks for now: uploads are behind".to_owned();
                self.notice("upload_behind", None, message);
            }
            Some(false) => {
                let message = "chunks of the usual length again: uploads have caught up".to_owned();
                self.notice("upload_caught_up", None, message);
            }
            None => self.publish_snapshot(),
        }
    }
}
