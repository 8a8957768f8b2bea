//! A Wayland desktop with a real portal, seen from within a test's session.

use super::{in_session, wait_for};
use stands::{CodeShow, Wayland};
use std::{env, fs, path::PathBuf, process::Command};

/// On this output something moves.
pub const MOVING: &str = "HEADLESS-1";
/// On this one nothing does.
pub const STILL: &str = "HEADLESS-2";
/// The size of both.
pub const SIZE: model::Size = model::Size { width: 640, height: 360 };

/// Runs `body` in the session of a desktop with two outputs.
pub fn on_wayland(name: &str, body: impl FnOnce()) {
    let size = (SIZE.width as u16, SIZE.height as u16);
    let start = || {
        let desktop = Wayland::start(&[size, size]);
        let show = CodeShow::on_wayland(&desktop, MOVING, (0, 0, size.0, size.1), 30);
        let mut command = Command::new("true");
        desktop.dress(&mut command);
        let text = |text: &std::ffi::OsStr| text.to_str().unwrap().to_owned();
        let variables =
            command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?)))).collect();
        ((show, desktop), variables)
    };
    in_session(name, start, body);
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env::var_os("XDG_RUNTIME_DIR").unwrap()).join(name)
}

/// What the user answers from now on: an output, `refuse` or `wait`.
pub fn answer(words: &str) {
    fs::write(file("answer.new"), words).unwrap();
    fs::rename(file("answer.new"), file("answer")).unwrap();
}

/// How often the user was asked.
pub fn questions() -> usize {
    fs::read_to_string(file("questions")).map_or(0, |lines| lines.lines().count())
}

/// The user stops the sharing that began last.
pub fn stop_sharing() {
    fs::write(file("stop"), "").unwrap();
    wait_for("the end of sharing", || (!file("stop").exists()).then_some(()));
}
