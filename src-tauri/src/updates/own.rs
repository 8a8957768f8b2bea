//! Packages that replace themselves: the AppImage, the app on macOS, installers on Windows.

use super::Newer;
use engine::Problem;
use std::env;
use tauri::{AppHandle, Builder, Wry, utils::config::BundleType, utils::platform::bundle_type};
use tauri_plugin_updater::{Error, Update, UpdaterExt};

/// In programs that are not released: another key and address, for tests.
const OTHER_MAKERS: &str = "SPOOL_UPDATES_FROM";

pub(crate) fn add(builder: Builder<Wry>) -> Builder<Wry> {
    builder.plugin(tauri_plugin_updater::Builder::new().build())
}

/// Whether this program came in a package that nobody else updates.
pub(crate) fn updates_itself() -> bool {
    matches!(
        bundle_type(),
        Some(BundleType::AppImage | BundleType::App | BundleType::Dmg | BundleType::Msi | BundleType::Nsis)
    )
}

/// A package that was fetched, and is signed by the makers' key.
pub(crate) struct Fetched {
    update: Update,
    bytes: Vec<u8>,
}

impl Fetched {
    pub(crate) fn install(self) -> Result<(), Problem> {
        self.update.install(self.bytes).map_err(problem)
    }
}

pub(crate) async fn look(app: &AppHandle) -> Result<Option<Newer>, Problem> {
    let update = newest(app).await?;
    Ok(update.map(|update| Newer { version: update.version, notes: update.body }))
}

pub(crate) async fn fetch(app: &AppHandle) -> Result<Fetched, Problem> {
    let Some(update) = newest(app).await? else {
        let message = "this version is the newest".to_owned();
        return Err(Problem { code: "newest".to_owned(), message });
    };
    let bytes = update.download(|_, _| {}, || {}).await.map_err(problem)?;
    Ok(Fetched { update, bytes })
}

async fn newest(app: &AppHandle) -> Result<Option<Update>, Problem> {
    if !updates_itself() {
        let message = "this program did not come in a package that updates itself".to_owned();
        return Err(Problem { code: "system_updates".to_owned(), message });
    }
    let mut updater = app.updater_builder();
    if cfg!(debug_assertions)
        && let Ok(other) = env::var(OTHER_MAKERS)
        && let Some((key, address)) = other.split_once(' ')
        && let Ok(address) = address.parse()
    {
        updater = updater.pubkey(key).endpoints(vec![address]).map_err(problem)?;
    }
    updater.build().map_err(problem)?.check().await.map_err(problem)
}

fn problem(error: Error) -> Problem {
    Problem { code: "update".to_owned(), message: error.to_string() }
}
