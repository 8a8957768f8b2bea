//! Pairing: a device shows a code, somebody approves it in a browser, and the device gets its token (RFC 8628).
//!
//! Owns: the pairings that wait, in memory alone: a restart forgets them and devices ask again. Pure; `now` and
//! randomness are arguments.

use std::{collections::HashMap, time::Duration};

/// How long a code is valid.
pub const LASTS: Duration = Duration::from_secs(600);
/// How long a device should wait between two questions.
pub const INTERVAL: Duration = Duration::from_secs(3);
/// Pairings that wait at once. Nobody has so many devices.
const WAITING_MAX: usize = 1000;
/// Letters that are not mistaken for each other and make no words.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const CODE_LETTERS: usize = 8;

/// Why a pairing does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairingError {
    /// Nobody knows the code, or it is too old.
    Unknown,
    /// Nobody has decided yet.
    Pending,
    /// The device asks too often.
    TooOften,
    /// Somebody said no.
    Denied,
    /// Somebody decided before.
    Decided,
    /// Too many wait.
    TooMany,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Waiting,
    /// Somebody approves it this moment.
    Deciding,
    Approved {
        secret: String,
    },
    Denied,
}

#[derive(Debug)]
struct Pairing {
    device: String,
    /// SHA-256 of what the device asks with.
    device_code: [u8; 32],
    state: State,
    expires_at: Duration,
    asked_at: Option<Duration>,
}

/// Pairings that wait.
#[derive(Debug, Default)]
pub struct Pairings {
    /// By the letters of the user code.
    waiting: HashMap<String, Pairing>,
}

impl Pairings {
    /// A device wants in. `device_code` is the hash of a secret; `random` makes the user code, which is answered.
    pub fn begin(
        &mut self,
        device: String,
        device_code: [u8; 32],
        random: [u8; 32],
        now: Duration,
    ) -> Result<String, PairingError> {
        self.forget(now);
        let code = letters(random);
        if self.waiting.len() >= WAITING_MAX || self.waiting.contains_key(&code) {
            return Err(PairingError::TooMany);
        }
        let expires_at = now + LASTS;
        let pairing = Pairing { device, device_code, state: State::Waiting, expires_at, asked_at: None };
        self.waiting.insert(code.clone(), pairing);
        Ok(shown(&code))
    }

    /// The name of the device that waits with this user code.
    pub fn device(&mut self, user_code: &str, now: Duration) -> Result<String, PairingError> {
        let pairing = self.open(user_code, now)?;
        Ok(pairing.device.clone())
    }

    /// Somebody approves: nobody else can from now on. [`Self::approved`] or [`Self::given_up`] must follow.
    pub fn approving(&mut self, user_code: &str, now: Duration) -> Result<(), PairingError> {
        self.open(user_code, now)?.state = State::Deciding;
        Ok(())
    }

    /// It is approved: this is the device's refresh secret.
    pub fn approved(&mut self, user_code: &str, secret: String) {
        if let Some(pairing) = self.waiting.get_mut(&plain(user_code)) {
            pairing.state = State::Approved { secret };
        }
    }

    /// Approving it failed; it waits again.
    pub fn given_up(&mut self, user_code: &str) {
        if let Some(pairing) = self.waiting.get_mut(&plain(user_code)) {
            pairing.state = State::Waiting;
        }
    }

    /// Somebody says no.
    pub fn deny(&mut self, user_code: &str, now: Duration) -> Result<(), PairingError> {
        self.open(user_code, now)?.state = State::Denied;
        Ok(())
    }

    /// The device asks. Its secret is answered again until the code expires, since an answer can be lost.
    pub fn poll(&mut self, device_code: &[u8; 32], now: Duration) -> Result<String, PairingError> {
        self.forget(now);
        let mut all = self.waiting.values_mut();
        let pairing = all.find(|pairing| super::keys::is_same(&pairing.device_code, device_code));
        let pairing = pairing.ok_or(PairingError::Unknown)?;
        match &pairing.state {
            State::Approved { secret } => Ok(secret.clone()),
            State::Denied => Err(PairingError::Denied),
            State::Waiting | State::Deciding => {
                let is_soon = pairing.asked_at.is_some_and(|at| now.saturating_sub(at) < INTERVAL / 3);
                pairing.asked_at = Some(now);
                Err(if is_soon { PairingError::TooOften } else { PairingError::Pending })
            }
        }
    }

    fn open(&mut self, user_code: &str, now: Duration) -> Result<&mut Pairing, PairingError> {
        self.forget(now);
        let pairing = self.waiting.get_mut(&plain(user_code)).ok_or(PairingError::Unknown)?;
        match pairing.state {
            State::Waiting => Ok(pairing),
            State::Deciding | State::Approved { .. } | State::Denied => Err(PairingError::Decided),
        }
    }

    fn forget(&mut self, now: Duration) {
        self.waiting.retain(|_, pairing| pairing.expires_at > now);
    }
}

/// As people may type it: in small letters, with spaces, without the dash.
fn plain(user_code: &str) -> String {
    let letters = user_code.chars().filter(char::is_ascii_alphanumeric).take(CODE_LETTERS + 1);
    letters.map(|letter| letter.to_ascii_uppercase()).collect()
}

/// As people read it.
fn shown(code: &str) -> String {
    let (first, second) = code.split_at(CODE_LETTERS / 2);
    format!("{first}-{second}")
}

/// The remainder of four bytes favours no letter by more than a billionth.
fn letters(random: [u8; 32]) -> String {
    let number = |bytes: &[u8]| bytes.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    random.chunks(4).map(|bytes| char::from(LETTERS[number(bytes) % LETTERS.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn begun() -> (Pairings, String) {
        let mut pairings = Pairings::default();
        let code = pairings.begin("laptop".into(), [1; 32], [7; 32], NOW).unwrap();
        (pairings, code)
    }

    #[test]
    fn a_device_gets_its_secret_once_somebody_approved_it() {
        let (mut pairings, code) = begun();
        assert_eq!((code.len(), &code[4..5]), (9, "-"));
        assert_eq!(pairings.poll(&[1; 32], NOW), Err(PairingError::Pending));
        assert_eq!(pairings.poll(&[1; 32], NOW), Err(PairingError::TooOften));
        assert_eq!(pairings.poll(&[2; 32], NOW), Err(PairingError::Unknown));
        let typed = code.to_lowercase().replace('-', " ");
        assert_eq!(pairings.device(&typed, NOW).unwrap(), "laptop");
        pairings.approving(&typed, NOW).unwrap();
        assert_eq!(pairings.approving(&code, NOW), Err(PairingError::Decided));
        assert_eq!(pairings.poll(&[1; 32], NOW + INTERVAL), Err(PairingError::Pending));
        pairings.approved(&typed, "secret".into());
        assert_eq!(pairings.deny(&code, NOW), Err(PairingError::Decided));
        for _ in 0..2 {
            assert_eq!(pairings.poll(&[1; 32], NOW).unwrap(), "secret");
        }
    }

    #[test]
    fn what_is_denied_or_too_old_gives_nothing() {
        let (mut pairings, code) = begun();
        pairings.deny(&code, NOW).unwrap();
        assert_eq!(pairings.poll(&[1; 32], NOW), Err(PairingError::Denied));
        let (mut pairings, code) = begun();
        assert_eq!(pairings.approving(&code, NOW + LASTS), Err(PairingError::Unknown));
        assert_eq!(pairings.poll(&[1; 32], NOW + LASTS), Err(PairingError::Unknown));
    }

    #[test]
    fn approving_that_failed_can_be_tried_again() {
        let (mut pairings, code) = begun();
        pairings.approving(&code, NOW).unwrap();
        pairings.given_up(&code);
        pairings.approving(&code, NOW).unwrap();
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let mut pairings = Pairings::default();
        let mut begin = |n: usize, now| {
            let mut random = [0; 32];
            random[..].chunks_mut(4).zip([n % 20, n / 20 % 20, n / 400]).for_each(|(to, n)| to[3] = n as u8);
            pairings.begin(n.to_string(), [0; 32], random, now)
        };
        for n in 0..WAITING_MAX {
            begin(n, NOW).unwrap();
        }
        assert_eq!(begin(WAITING_MAX, NOW), Err(PairingError::TooMany));
        begin(WAITING_MAX, NOW + LASTS).unwrap();
    }
}
