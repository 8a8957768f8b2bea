//! How the program was started, and what happens where it runs already.

use crate::windows::{self, View};
use anyhow::{Result, bail};
use std::path::PathBuf;
use tauri::AppHandle;

pub(crate) const HIDDEN: &str = "--hidden";
pub(crate) const USAGE: &str = "\
Spool, the recorder that loses nothing

usage: spool-app [--hidden] [--data DIR] [spool://VIEW]

  --hidden     starts in the tray, without a window
  --data DIR   the data folder, else SPOOL_DATA, else the system's place for such
  spool://…    what to show: record, library, settings, or recording/ID

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

    /// What is to be seen first, if anything.
    pub(crate) fn view(&self) -> Option<View> {
        match &self.link {
            Some(link) => Some(View::from_link(link)),
            None if self.hidden => None,
            None => Some(View::Last),
        }
    }
}

/// Somebody started the program a second time, or a link did: where systems hand links over as arguments, they come
/// here.
pub(crate) fn again(app: &AppHandle, arguments: &[String]) {
    let words = arguments.iter().skip(1).cloned();
    if let Some(view) = Start::parse(words).ok().flatten().and_then(|start| start.view()) {
        windows::open(app, view);
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
        let view = |words: &[&str]| parse(words).unwrap().unwrap().view();
        assert_eq!(view(&[]), Some(View::Last));
        assert_eq!(view(&["--hidden", "--data", "/d"]), None);
        assert_eq!(view(&["--hidden", "spool://library"]), Some(View::Library));
        assert_eq!(parse(&["--help"]).unwrap(), None);
        assert!(parse(&["--data"]).is_err());
        assert!(parse(&["--wat"]).is_err());
    }
}
