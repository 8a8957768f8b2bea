//! Packages that the system updates, such as .deb, .rpm and Flatpak: nothing here can open a connection.

use super::Newer;
use engine::Problem;
use tauri::{AppHandle, Builder, Wry};

pub(crate) fn add(builder: Builder<Wry>) -> Builder<Wry> {
    builder
}

pub(crate) fn updates_itself() -> bool {
    false
}

/// Nothing is ever fetched.
pub(crate) enum Fetched {}

impl Fetched {
    pub(crate) fn install(self) -> Result<(), Problem> {
        match self {}
    }
}

pub(crate) async fn look(_app: &AppHandle) -> Result<Option<Newer>, Problem> {
    Err(refusal())
}

pub(crate) async fn fetch(_app: &AppHandle) -> Result<Fetched, Problem> {
    Err(refusal())
}

fn refusal() -> Problem {
    let message = "this package is updated by the system".to_owned();
    Problem { code: "system_updates".to_owned(), message }
}
