//! `spool config`

use crate::{args, args::Common, connect, words};
use anyhow::Result;
use engine::command::{Command, Reply};

pub(crate) fn run(common: &Common, flags: &args::Config) -> Result<()> {
    let command = match flags.setting.as_deref().map(|setting| (setting, setting.split_once('='))) {
        None => Command::Settings { key: None },
        Some((key, None)) => Command::Settings { key: Some(key.to_owned()) },
        Some((_, Some((key, value)))) => {
            let value = (!value.is_empty()).then(|| value.to_owned());
            Command::Set { key: key.to_owned(), value }
        }
    };
    let reply = connect::tell(common, command)?;
    let Reply::Settings(settings) = reply else { return connect::surprised(&reply) };
    if common.json {
        return words::print_json(&settings);
    }
    for setting in settings {
        let chosen = if setting.chosen { "" } else { "  (nobody's choice)" };
        println!("{:<16} {:<12} {}{chosen}", setting.key, setting.value, setting.help);
    }
    Ok(())
}
