//! Being let in at a server: with a secret that its owner gave out, or by a pairing that somebody approves in a browser.
//!
//! Owns: those few requests, each asked and waited for on the caller's thread. Keeps nothing: where secrets lie is the
//! engine's affair. Tested end to end in `tests/upload.rs`.

use crate::driver::{self, Setup, UploadError};
use api::{
    Access, Code, CreateToken, MintedToken, Pairing, PairingPoll, PairingStart, Problem, Refresh, Scope,
};
use reqwest::{Client, Method, RequestBuilder};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// No answer to these requests takes longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most bytes of an answer.
const ANSWER_MAX: usize = 1 << 20;

/// Why somebody was not let in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// What people set cannot be.
    #[error(transparent)]
    Setup(#[from] UploadError),
    /// There is no way to the server, or nobody answers there.
    #[error("{server} cannot be reached: {cause}")]
    Away {
        /// Its address.
        server: String,
        /// Why, in words.
        cause: String,
    },
    /// The server said no.
    #[error("{0}")]
    Refused(Problem),
    /// Something answers, and it is no Spool server.
    #[error("{server} does not answer as a Spool server does ({status})")]
    Strange {
        /// Its address.
        server: String,
        /// The HTTP status.
        status: u16,
    },
}

/// A way to a server, for the few things that are asked of it before anything is uploaded.
pub struct Door {
    client: Client,
    runtime: Runtime,
    server: String,
}

impl Door {
    /// Finds the way; nothing is asked yet.
    pub fn new(setup: &Setup) -> Result<Self, LoginError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(UploadError::System)?;
        let server = address(&setup.server)?;
        Ok(Self { client: driver::client(setup, server.starts_with("http:"))?, runtime, server })
    }

    /// Its address, as it is written.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Proves a secret: what it allows, and a short-lived token.
    pub fn enter(&self, secret: &str) -> Result<Access, LoginError> {
        let refresh = Refresh { secret: secret.to_owned() };
        self.ask(self.to(Method::POST, "tokens/refresh").json(&refresh))
    }

    /// Begins a pairing; `device` is what people see.
    pub fn knock(&self, device: &str) -> Result<Pairing, LoginError> {
        let start = PairingStart { device: device.to_owned() };
        self.ask(self.to(Method::POST, "pairings").json(&start))
    }

    /// Asks whether somebody approved a pairing; none if nobody has yet.
    pub fn wait(&self, device_code: &str) -> Result<Option<Access>, LoginError> {
        let poll = PairingPoll { device_code: device_code.to_owned() };
        match self.ask(self.to(Method::POST, "pairings/poll").json(&poll)) {
            Err(LoginError::Refused(Problem { code: Code::PairingPending | Code::TooMany, .. })) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Makes a secret that may only record, with a token that may do everything; `label` is what people see.
    pub fn mint(&self, bearer: &str, label: &str) -> Result<MintedToken, LoginError> {
        let wish = CreateToken { label: label.to_owned(), scopes: vec![Scope::Record], expires_in: None };
        self.ask(self.to(Method::POST, "tokens").bearer_auth(bearer).json(&wish))
    }

    /// Tells the server that a secret is not needed any more.
    pub fn leave(&self, secret: &str) -> Result<(), LoginError> {
        let request = self.to(Method::POST, "tokens/revoke").json(&Refresh { secret: secret.to_owned() });
        self.runtime.block_on(self.answer(request)).map(drop)
    }

    fn to(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{}/{path}", self.server, api::ROOT))
    }

    fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, LoginError> {
        let (status, body) = self.runtime.block_on(self.answer(request))?;
        serde_json::from_slice(&body).map_err(|_| self.strange(status))
    }

    /// An answer that says yes.
    async fn answer(&self, request: RequestBuilder) -> Result<(u16, Vec<u8>), LoginError> {
        let away = |error: reqwest::Error| LoginError::Away {
            server: self.server.clone(),
            cause: driver::failure(&error).to_string(),
        };
        let mut response = request.timeout(PATIENCE).send().await.map_err(away)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await.map_err(away)? {
            if body.len() + bytes.len() > ANSWER_MAX {
                return Err(self.strange(status.as_u16()));
            }
            body.extend(bytes);
        }
        if status.is_success() {
            return Ok((status.as_u16(), body));
        }
        Err(match serde_json::from_slice(&body) {
            Ok(problem) => LoginError::Refused(problem),
            Err(_) => self.strange(status.as_u16()),
        })
    }

    fn strange(&self, status: u16) -> LoginError {
        LoginError::Strange { server: self.server.clone(), status }
    }
}

/// The address of a server as it is kept and compared: with a scheme, and without a slash at its end. One without a
/// scheme is taken for `https`, or for `http` on this machine itself.
pub fn address(text: &str) -> Result<String, UploadError> {
    let wrong = |why: &str| UploadError::Setup(format!("{text:?} is not a server's address: {why}"));
    let text = text.trim();
    let full = match text.split_once("://") {
        Some(_) => text.to_owned(),
        None => {
            let name = text.split(['/', ':']).next().unwrap_or_default();
            let is_here = matches!(name, "localhost" | "127.0.0.1") || text.starts_with("[::1]");
            format!("{}://{text}", if is_here { "http" } else { "https" })
        }
    };
    let url: reqwest::Url = full.parse().map_err(|_| wrong("it is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("names and passwords are not for it; a token goes by itself"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has more than a path"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, full) in [
            ("https://spool.example.org/", "https://spool.example.org"),
            ("spool.example.org", "https://spool.example.org"),
            (" example.org:8443/spool/ ", "https://example.org:8443/spool"),
            ("localhost:7878", "http://localhost:7878"),
            ("127.0.0.1:7878", "http://127.0.0.1:7878"),
            ("[::1]:7878", "http://[::1]:7878"),
            ("HTTP://Spool.Example", "http://spool.example"),
        ] {
            assert_eq!(address(text).unwrap(), full, "{text}");
        }
        for text in ["", "ftp://a", "http://", "https://me:pw@a", "https://a/?b=c", "https://a/#b", "a b"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
