//! `spool login`, `logout`, and being logged in where another command wants it

use crate::{args, args::Common, connect, words};
use anyhow::{Result, bail};
use engine::{
    Client,
    command::{Account, Command, Event, Message, Pairing, Reply, Secret},
};
use serde_json::json;
use std::env;

/// What lets this machine in without a browser.
const TOKEN: &str = "SPOOL_TOKEN";

pub(crate) fn run(common: &Common, flags: &args::Login) -> Result<()> {
    let mut client = connect::engine(common)?;
    // Before somebody can agree, so that it is heard.
    connect::ask(&mut client, Command::Subscribe, drop)?;
    let (server, token) = (flags.server.clone(), flags.token.clone().map(Secret));
    match connect::ask(&mut client, Command::Login { server, token }, drop)? {
        Reply::LoggedIn(account) => print(common, &account),
        Reply::Pairing(pairing) => wait(common, client, &pairing),
        reply => connect::surprised(&reply),
    }
}

/// Until somebody has agreed in a browser.
fn wait(common: &Common, client: Client, pairing: &Pairing) -> Result<()> {
    if common.json {
        let mut line = serde_json::to_value(pairing)?;
        line["event"] = "pairing".into();
        words::print_json(&line)?;
    } else {
        let minutes = pairing.expires_in_s.div_ceil(60);
        words::print(&format!(
            "Open this address in a browser, within {minutes} minutes:\n  {}",
            pairing.url
        ))?;
        words::print(&format!("and let this machine in if it shows the code {}.", pairing.user_code))?;
    }
    let (_requests, mut messages) = client.split();
    loop {
        match messages.receive()? {
            Message::Event(Event::LoggedIn(account)) if account.server == pairing.server => {
                return print(common, &account);
            }
            Message::Event(Event::LoginFailed { server, problem }) if server == pairing.server => {
                return Err(problem.into());
            }
            Message::Event(_) | Message::Reply { .. } | Message::Error { .. } => {}
        }
    }
}

fn print(common: &Common, account: &Account) -> Result<()> {
    if common.json {
        let mut line = serde_json::to_value(account)?;
        line["event"] = "logged_in".into();
        return words::print_json(&line);
    }
    words::print(&format!("Logged in at {}. Recordings go there from now on.", account.server))?;
    match (&account.path, &account.why) {
        (Some(path), Some(why)) => words::print(&format!(
            "The secret of this login lies in the file {}, readable by you alone, since {why}.",
            path.display()
        )),
        _ => words::print("The secret of this login is in the keychain."),
    }
}

pub(crate) fn logout(common: &Common) -> Result<()> {
    let reply = connect::tell(common, Command::Logout)?;
    let Reply::Done = reply else { return connect::surprised(&reply) };
    if common.json { words::print_json(&json!({ "done": true })) } else { words::print("Logged out.") }
}

/// Sees to it that uploads go to this server: they do already, or SPOOL_TOKEN lets this machine in.
pub(crate) fn ensure(client: &mut Client, server: Option<&str>) -> Result<()> {
    let Some(server) = server else { return Ok(()) };
    let reply = connect::ask(client, Command::Status, drop)?;
    let Reply::Status(snapshot) = reply else { return connect::surprised(&reply) };
    if snapshot.upload.server.as_deref() == Some(server) {
        return Ok(());
    }
    let Ok(token) = env::var(TOKEN) else {
        bail!("not logged in at {server}: `spool login {server}` does that, or set {TOKEN}");
    };
    let command = Command::Login { server: server.to_owned(), token: Some(Secret(token)) };
    match connect::ask(client, command, drop)? {
        Reply::LoggedIn(account) => {
            if let (Some(path), Some(why)) = (&account.path, &account.why) {
                eprintln!("The secret of this login lies in the file {}, since {why}.", path.display());
            }
            Ok(())
        }
        reply => connect::surprised(&reply),
    }
}
