//! Requests of the core as HTTP.

use super::{
    Local, Meters, Proxy, Setup, UploadError, answer,
    body::{self, Pulse},
    lock,
    login::Login,
};
use crate::core::{Answer, Failure, Request, SessionCall};
use api::{ObjectSpec, SignedRequest};
use model::SessionId;
use reqwest::{Body, Certificate, Client, ClientBuilder, Method, RequestBuilder, Url, header, redirect};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Idle times that an answer may take for which the server reads objects back.
const LOOK_IDLES: u32 = 5;
/// The slowest way on which a document of ours must get through, in bytes a second.
const SLOWEST: u64 = 4 << 10;
/// Idle times that an answer to an upload may take: what went out may still wait in buffers, and is to be made durable.
const ANSWER_IDLES: u32 = 4;

/// Sends requests. One for a driver's life, so that connections are used again.
pub(super) struct Http {
    client: Client,
    root: String,
    idle: Duration,
    login: Login,
    local: Arc<dyn Local>,
    meters: Arc<Mutex<Meters>>,
}

impl Http {
    pub(super) fn new(
        setup: &Setup,
        local: Arc<dyn Local>,
        meters: Arc<Mutex<Meters>>,
    ) -> Result<Self, UploadError> {
        let url = Url::parse(&setup.server)
            .ok()
            .filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        let url =
            url.ok_or_else(|| UploadError::Setup(format!("{} is not a server's address", setup.server)))?;
        Ok(Self {
            client: client(setup, url.scheme() == "http")?,
            root: format!("{}{}", url.as_str().trim_end_matches('/'), api::ROOT),
            idle: setup.idle_timeout,
            login: Login::new(local.clone()),
            local,
            meters,
        })
    }

    /// Sends a request and reads its answer.
    pub(super) async fn send(&self, request: Request) -> Result<Answer, Failure> {
        match request {
            Request::Create(create) => {
                let _: api::Recording = self.account("/recordings", &create).await?;
                Ok(Answer::Created)
            }
            Request::Join(recording, join) => {
                self.account(&format!("/recordings/{recording}/sessions"), &join).await.map(Answer::Joined)
            }
            Request::Urls(call, objects) => {
                self.session(&call, "upload-urls", &api::UploadUrls { objects }).await.map(Answer::Urls)
            }
            Request::Put(session, object, put) => self.put(session, object, &put).await,
            Request::Confirm(call, objects) => {
                self.session(&call, "confirm", &api::Confirm { objects }).await.map(Answer::Confirmed)
            }
            Request::Heartbeat(call, beat) => {
                self.session(&call, "heartbeat", &beat).await.map(Answer::Heartbeat)
            }
            Request::Finalize(call, manifest) => self
                .session(&call, "finalize", &Manifested { manifest: &manifest })
                .await
                .map(Answer::Receipt),
            Request::Verify(call) => self.session(&call, "verify", &Nothing {}).await.map(Answer::Receipt),
            Request::Receipt(call) => self.receipt(&call).await.map(Answer::Receipt),
        }
    }

    /// A call with an access token. One that is refused is fetched anew, once.
    async fn account<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        let refresh = format!("{}/tokens/refresh", self.root);
        let token = self.login.token(&self.client, &refresh, self.idle, None).await?;
        let first = self.post(&format!("{}{path}", self.root), &token, body, self.idle).await;
        let Err(Failure::Refused(refusal)) = &first else { return first };
        if refusal.status != 401 {
            return first;
        }
        let token = self.login.token(&self.client, &refresh, self.idle, Some(&token)).await?;
        self.post(&format!("{}{path}", self.root), &token, body, self.idle).await
    }

    async fn session<T: DeserializeOwned>(
        &self,
        call: &SessionCall,
        route: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let url = format!("{}/sessions/{}/{route}", self.root, call.session);
        let looks = ["confirm", "finalize", "verify"].contains(&route);
        let timeout = if looks { self.idle * LOOK_IDLES } else { self.idle };
        self.post(&url, &call.token, body, timeout).await
    }

    async fn receipt(&self, call: &SessionCall) -> Result<api::Receipt, Failure> {
        let url = format!("{}/sessions/{}/receipt", self.root, call.session);
        let request = self.client.get(url).bearer_auth(&call.token).timeout(self.idle * LOOK_IDLES);
        let response = request.send().await.map_err(|error| answer::failure(&error))?;
        answer::document(response).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        url: &str,
        token: &str,
        body: &impl Serialize,
        timeout: Duration,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::Nonsense(error.to_string()))?;
        let timeout = timeout + Duration::from_secs(body.len() as u64 / SLOWEST);
        let request = self.client.post(url).bearer_auth(token).timeout(timeout);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        // What a bit that flips on the way makes of a document may well be another valid one.
        let request = request.header(api::CONTENT_DIGEST, api::content_digest(&body)).body(body);
        let response = request.send().await.map_err(|error| answer::failure(&error))?;
        answer::document(response).await
    }

    async fn put(
        &self,
        session: SessionId,
        object: ObjectSpec,
        put: &SignedRequest,
    ) -> Result<Answer, Failure> {
        let method = Method::from_bytes(put.method.as_bytes());
        let method = method.map_err(|error| Failure::Nonsense(error.to_string()))?;
        let pulse = Pulse::new();
        let size = object.size;
        let stream = body::stream(self.local.clone(), session, object, self.meters.clone(), pulse.clone());
        let mut request = self.client.request(method, &put.url).body(Body::wrap_stream(stream));
        for (name, value) in &put.headers {
            request = request.header(name, value);
        }
        // With a length, the client sends the body as it is, not in chunks, which no store takes.
        request = request.header(header::CONTENT_LENGTH, size);
        let result = tokio::select! {
            result = upload(request) => result,
            () = stalled(&pulse, self.idle) => Err(Failure::Unknown("nothing moved for too long".to_owned())),
        };
        let fault = lock(&pulse).fault.take();
        match (result, fault) {
            (Ok(()), _) => Ok(Answer::Put),
            (Err(Failure::Unknown(_)), Some(fault)) => Err(Failure::Local(fault)),
            (Err(failure), _) => Err(failure),
        }
    }
}

async fn upload(request: RequestBuilder) -> Result<(), Failure> {
    let response = request.send().await.map_err(|error| answer::failure(&error))?;
    answer::stored(response).await
}

/// Waits until an upload has stood still for too long.
async fn stalled(pulse: &Mutex<Pulse>, idle: Duration) {
    loop {
        let until = {
            let mut pulse = lock(pulse);
            if pulse.held {
                pulse.moved = tokio::time::Instant::now();
            }
            pulse.moved + if pulse.ended { idle * ANSWER_IDLES } else { idle }
        };
        if until <= tokio::time::Instant::now() {
            return;
        }
        tokio::time::sleep_until(until).await;
    }
}

/// What sends requests; `is_plain` where none of them goes by TLS.
pub(crate) fn client(setup: &Setup, is_plain: bool) -> Result<Client, UploadError> {
    // Another part of the process may have chosen a provider before; any will do.
    drop(rustls::crypto::ring::default_provider().install_default());
    let wrong = |error: reqwest::Error| match answer::failure(&error) {
        Failure::Nonsense(words) | Failure::Unknown(words) => UploadError::Setup(words),
        other => UploadError::Setup(other.to_string()),
    };
    let mut roots = Vec::new();
    if let Some(path) = &setup.extra_roots {
        let what = |reason: String| UploadError::Setup(format!("{}: {reason}", path.display()));
        let pem = std::fs::read(path).map_err(|error| what(error.to_string()))?;
        roots = Certificate::from_pem_bundle(&pem).map_err(|error| what(error.to_string()))?;
        if roots.is_empty() {
            return Err(what("there is no certificate in it".to_owned()));
        }
    }
    let proxy = match &setup.proxy {
        Proxy::At(url) => Some(reqwest::Proxy::all(url).map_err(wrong)?),
        Proxy::System | Proxy::Direct => None,
    };
    let build = |trust: fn(ClientBuilder, Vec<Certificate>) -> ClientBuilder| {
        let builder = trust(builder(setup), roots.clone());
        let builder = if setup.proxy == Proxy::Direct { builder.no_proxy() } else { builder };
        match &proxy {
            Some(proxy) => builder.proxy(proxy.clone()),
            None => builder,
        }
        .build()
    };
    match build(|builder, roots| builder.tls_certs_merge(roots)) {
        // A machine without certificates of its own can still speak to a server that needs none.
        Err(_) if is_plain => build(|builder, roots| builder.tls_certs_only(roots)),
        built => built,
    }
    .map_err(wrong)
}

fn builder(setup: &Setup) -> ClientBuilder {
    Client::builder()
        .user_agent(&setup.agent)
        .connect_timeout(setup.connect_timeout)
        .redirect(redirect::Policy::none())
        .tcp_nodelay(true)
        .tcp_keepalive(setup.idle_timeout)
        // Shorter than servers keep them, so that an upload seldom begins on a connection that is being closed.
        .pool_idle_timeout(Duration::from_secs(20))
        // Uploads side by side on one connection share its window, and wait for each other's lost packets.
        .http1_only()
}

/// [`api::Finalize`] without a copy of the manifest.
#[derive(Serialize)]
struct Manifested<'a> {
    manifest: &'a api::Manifest,
}

#[derive(Serialize)]
struct Nothing {}
