//! How the program was started, and what happens where it runs already.

use crate::{
    link::Link,
    notices,
    windows::{self, View},
};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use tauri::{AppHandle, Manager};

pub(crate) const HIDDEN: &str = "--hidden";
pub(crate) const USAGE: &str = "\
Spool, the recorder that loses nothing

usage: spool-app [--hidden] [--data DIR] [spool://VIEW]

  --hidden     starts in the tray, without a window
  --data DIR   the data folder, else SPOOL_DATA, else the system's place for such
  spool://…    what to show: record, library, uploads, settings, or recording/ID

Where Spool runs already, that one shows it.

The command line is `spool`.";

/// What was said when the program was started.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Start {
    /// In the tray, without a window.
    pub(crate) hidden: bool,
    /// The data folder.
    pub(crate) data: Option<PathBuf>,
    /// What to show.
    link: Option<String>,
}

impl Start {
    /// None where somebody only wants to know what can be said.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut start = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                HIDDEN => start.hidden = true,
                "--data" => match arguments.next() {
                    Some(folder) => start.data = Some(folder.into()),
                    None => bail!("--data needs a folder"),
                },
                "--help" | "-h" => return Ok(None),
                link if link.starts_with("spool:") => start.link = Some(argument),
                other => bail!("{other} is not understood\n\n{USAGE}"),
            }
        }
        Ok(Some(start))
    }

    /// Shows what is to be seen, if anything.
    pub(crate) fn show(&self, app: &AppHandle) {
        match &self.link {
            Some(link) => windows::open_link(app, link),
            None if self.hidden => {}
            None => windows::open(app, View::Last),
        }
    }

    /// Whether it is not about the data folder that the app has.
    fn is_elsewhere(&self, ours: &Path) -> bool {
        self.data
            .as_ref()
            .is_some_and(|theirs| theirs.canonicalize().ok().is_none_or(|theirs| theirs != ours))
    }
}

/// Somebody started the program a second time, in this folder, or a link did: where systems hand links over as
/// arguments, they come here.
pub(crate) fn again(app: &AppHandle, arguments: &[String], folder: &str) {
    let words = arguments.iter().skip(1).cloned();
    let Ok(Some(mut start)) = Start::parse(words) else { return };
    start.data = start.data.map(|data| Path::new(folder).join(data));
    let ours = app.state::<Link>().data().to_owned();
    // A link means the app that runs, whichever data it has.
    if start.link.is_none() && start.is_elsewhere(&ours) {
        notices::other_folder(app, &ours);
    } else {
        start.show(app);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Option<Start>> {
        Start::parse(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn arguments_say_what_is_seen_first() {
        let start = |words: &[&str]| parse(words).unwrap().unwrap();
        assert_eq!(start(&[]), Start::default());
        assert!(start(&["--hidden", "--data", "/d"]).hidden);
        assert_eq!(start(&["--hidden", "spool://library"]).link.as_deref(), Some("spool://library"));
        assert_eq!(parse(&["--help"]).unwrap(), None);
        assert!(parse(&["--data"]).is_err());
        assert!(parse(&["--wat"]).is_err());
    }

    #[test]
    fn a_second_start_may_be_about_another_data_folder() {
        let root = Path::new("/").canonicalize().unwrap();
        let is_elsewhere = |words: &[&str]| parse(words).unwrap().unwrap().is_elsewhere(&root);
        assert!(!is_elsewhere(&[]) && !is_elsewhere(&["--data", "/"]));
        assert!(is_elsewhere(&["--data", "/none/such"]));
    }
}
