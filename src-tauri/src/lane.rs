//! Which commands may wait for each other.

use engine::command::Command;

/// Commands of one lane share a number of connections; those of another never wait for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// What people do, and exports: minutes, some of them, but never more than a few at once.
    Deeds,
    /// Live pictures, which are held back until there is a newer one.
    Looks,
    /// Pictures and chunks of recordings: many at once, each soon done.
    Bytes,
}

impl Lane {
    pub(crate) const ALL: [Self; 3] = [Self::Deeds, Self::Looks, Self::Bytes];

    /// How many connections it may have. All lanes together stay well below what an engine allows its shells.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Deeds => 24,
            Self::Looks => 4,
            Self::Bytes => 6,
        }
    }

    /// The one that a command goes by.
    pub(crate) fn of(command: &Command) -> Self {
        match command {
            Command::Look { .. } => Self::Looks,
            Command::Glance { .. }
            | Command::Init { .. }
            | Command::Chunk { .. }
            | Command::Still { .. }
            | Command::Waveform { .. } => Self::Bytes,
            _ => Self::Deeds,
        }
    }
}
