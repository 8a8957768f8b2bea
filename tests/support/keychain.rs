//! A private keychain: GNOME's, on the bus of a private sound system.

use stands::{
    Running, Sound,
    process::{output, server, tool, wait_for},
};
use std::{fs, path::Path, process::Stdio, time::Duration};

const START_LIMIT: Duration = Duration::from_secs(20);

/// Keeps the secrets of whoever is on the same bus. They outlive it in its folder, and another that is started there has
/// them again.
#[derive(Debug)]
pub struct Keychain {
    _server: Running,
}

impl Keychain {
    /// Unlocked, with what is kept in this folder.
    pub fn start(sound: &Sound, folder: &Path) -> Self {
        let password = folder.join("password");
        fs::create_dir_all(folder.join(".local/share/keyrings")).expect("there is room for a folder");
        fs::write(&password, "open sesame").expect("there is room for a file");
        // It reads the password to the end of its input.
        let mut command = server("sh");
        sound.dress(&mut command);
        let keyring = tool("gnome-keyring-daemon").get_program().to_owned();
        let script = "exec \"$0\" --foreground --unlock --components=secrets < \"$1\"";
        command
            .arg("-c")
            .arg(script)
            .arg(keyring)
            .arg(&password)
            .env("HOME", folder)
            .env_remove("XDG_DATA_HOME");
        let this = Self { _server: Running::start(command.stdout(Stdio::null()).stderr(Stdio::null())) };
        wait_for("the keychain", START_LIMIT, || {
            let mut ask = tool("dbus-send");
            sound.dress(&mut ask);
            ask.args(["--session", "--print-reply", "--dest=org.freedesktop.secrets"]).args([
                "/org/freedesktop/secrets",
                "org.freedesktop.Secret.Service.ReadAlias",
                "string:default",
            ]);
            let answer = output(&mut ask);
            let is_there = String::from_utf8_lossy(&answer.stdout).contains("/collection/");
            is_there.then_some(())
        });
        this
    }
}
