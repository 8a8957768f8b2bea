//! Why something of an X server cannot be looked at, in words for each who has to hear it.
//!
//! Owns: which fault is which error, which loss, and what the user can do about it. Tested below, and on servers with
//! these faults.

use super::SERVER;
use crate::{CaptureError, LostReason, Permission, PermissionState, SourceId};
use model::Size;
use x11rb::errors::{ConnectError, ConnectionError, DisplayParsingError, ReplyError, ReplyOrIdError};
use x11rb::protocol::ErrorKind;

/// Why it cannot be looked at, or no longer.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nobody said which server.
    NoDisplay,
    /// The server went away, or was never there.
    Server(String),
    /// The server does not let this user in.
    Locked(String),
    /// What looks like a server shows a Wayland session's X programs and nothing else.
    Wayland,
    /// The server lacks an extension of this name.
    Extension(&'static str),
    /// The server cannot do it in another way.
    Lacks(String),
    /// The server has no such monitor.
    NoMonitor,
    /// The region has nothing of the screen, which is of this size.
    Outside(Size),
    /// The window is gone, or was never there.
    NoWindow,
    /// The window is there and not shown.
    Hidden,
    /// The server refused a request.
    Refused(String),
}

impl Fault {
    /// Whether it never ends, for a window: another window may have its id by then.
    pub fn ends_window(&self) -> bool {
        !matches!(self, Self::Hidden)
    }

    pub fn reason(&self) -> LostReason {
        match self {
            Self::NoDisplay | Self::Server(_) => LostReason::ServerGone,
            Self::Locked(_) => LostReason::Denied,
            Self::NoMonitor | Self::Outside(_) => LostReason::Unplugged,
            Self::NoWindow => LostReason::Closed,
            Self::Hidden => LostReason::Silent,
            Self::Wayland | Self::Extension(_) | Self::Lacks(_) | Self::Refused(_) => LostReason::Failed,
        }
    }

    /// What people are told who record it.
    pub fn message(self, id: &SourceId) -> String {
        match self {
            Self::NoMonitor => "the monitor was unplugged".to_owned(),
            Self::NoWindow => "the window was closed".to_owned(),
            Self::Hidden => {
                "the window is minimised or on another desktop, and its last picture stands".to_owned()
            }
            other => other.into_error(id).to_string(),
        }
    }

    pub fn into_error(self, id: &SourceId) -> CaptureError {
        let id = id.clone();
        match self {
            Self::NoDisplay => {
                CaptureError::Unreachable { what: SERVER, message: "DISPLAY is not set".to_owned() }
            }
            Self::Server(message) => CaptureError::Unreachable { what: SERVER, message },
            Self::Locked(message) => CaptureError::Denied { id, message },
            Self::Wayland => CaptureError::Unsupported {
                id,
                message: "a Wayland session does not show its screen to X programs".to_owned(),
            },
            Self::Extension(name) => {
                CaptureError::Unsupported { id, message: format!("the X server lacks the extension {name}") }
            }
            Self::Lacks(message) => CaptureError::Unsupported { id, message },
            Self::NoMonitor | Self::NoWindow => CaptureError::UnknownSource { id },
            Self::Outside(screen) => CaptureError::Unsupported {
                id,
                message: format!("it lies outside the screen, which is {screen}"),
            },
            Self::Hidden => CaptureError::Device {
                id,
                operation: "look at",
                message: "the window is minimised or on another desktop: show it first".to_owned(),
            },
            Self::Refused(message) => CaptureError::Device { id, operation: "look at", message },
        }
    }

    /// What the user can do about it.
    pub fn into_permission(self) -> Permission {
        let advice = match self {
            Self::NoDisplay => {
                "Start Spool on the desktop, or set DISPLAY to the X server that it should record, for \
                                example DISPLAY=:0."
                    .to_owned()
            }
            Self::Server(message) => {
                format!(
                    "Start the X server, or set DISPLAY to one that runs; this one cannot be reached ({message})."
                )
            }
            Self::Locked(message) => format!(
                "Set XAUTHORITY to the file that holds the X server's key, or run `xhost +si:localuser:$USER` on the \
                 desktop; the server refused ({message})."
            ),
            Self::Wayland => {
                "This is a Wayland session, which shows its screen through the desktop portal alone: \
                              choose the screen there, or log in to an X11 session."
                    .to_owned()
            }
            Self::Extension(name) => {
                format!("Start the X server with the extension {name}, without which it cannot be recorded.")
            }
            Self::Lacks(message) | Self::Refused(message) => format!("Use another X server: {message}."),
            Self::NoMonitor | Self::Outside(_) | Self::NoWindow | Self::Hidden => {
                "Choose another source: `spool devices` lists those there are.".to_owned()
            }
        };
        Permission { state: PermissionState::Restricted, advice }
    }
}

impl From<ConnectError> for Fault {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::DisplayParsingError(DisplayParsingError::DisplayNotSet) => Self::NoDisplay,
            ConnectError::DisplayParsingError(DisplayParsingError::MalformedValue(name))
                if name.is_empty() =>
            {
                Self::NoDisplay
            }
            ConnectError::SetupFailed(failed) => refusal(&failed.reason),
            ConnectError::SetupAuthenticate(wanted) => refusal(&wanted.reason),
            ConnectError::IoError(error) => Self::Server(error.to_string()),
            other => Self::Server(other.to_string()),
        }
    }
}

/// Servers give their reasons for people. Only keys and permissions are about who asks.
fn refusal(reason: &[u8]) -> Fault {
    let reason = String::from_utf8_lossy(reason).trim().to_owned();
    let about_user = ["uthoriz", "COOKIE", "uthenti"].iter().any(|word| reason.contains(word));
    if about_user { Fault::Locked(reason) } else { Fault::Server(reason) }
}

impl From<ConnectionError> for Fault {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::UnsupportedExtension => {
                Self::Lacks("the X server lacks an extension".to_owned())
            }
            other => Self::Server(other.to_string()),
        }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Server(error.to_string())
    }
}

impl From<ReplyError> for Fault {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::ConnectionError(error) => error.into(),
            ReplyError::X11Error(error) if error.error_kind == ErrorKind::Window => Self::NoWindow,
            ReplyError::X11Error(error) => {
                let request = error.request_name.unwrap_or("a request");
                Self::Refused(format!("the X server refused {request}: {:?}", error.error_kind))
            }
        }
    }
}

impl From<ReplyOrIdError> for Fault {
    fn from(error: ReplyOrIdError) -> Self {
        match error {
            ReplyOrIdError::ConnectionError(error) => error.into(),
            ReplyOrIdError::X11Error(error) => ReplyError::X11Error(error).into(),
            ReplyOrIdError::IdsExhausted => Self::Refused("the X server has no ids left".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_about_the_user_is_no_fault_of_the_server() {
        for reason in [
            "Authorization required, but no authorization protocol specified\n",
            "Invalid MIT-MAGIC-COOKIE-1 key",
            "Client is not authorized to connect to Server",
        ] {
            assert!(matches!(refusal(reason.as_bytes()), Fault::Locked(_)), "{reason}");
        }
        assert!(matches!(refusal(b"Maximum number of clients reached"), Fault::Server(_)));
    }
}
