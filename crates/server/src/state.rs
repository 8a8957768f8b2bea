//! What all requests share.
//!
//! Owns: opening a data folder, in order. One process has a folder at a time; it is closed when the last handle goes.

use crate::{
    access::{Access, AdminToken, Keys},
    clock::Clock,
    config::Config,
    coordinator::{Coordinator, Rules},
    db::Db,
    limits::Limits,
    metrics::Metrics,
    objects::{Signer, Stores},
    platform,
    uploads::Uploads,
};
use anyhow::Context;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The state of a running server, as every handler gets it.
pub type App = Arc<Server>;

/// A running server.
pub struct Server {
    /// What the operator chose.
    pub config: Config,
    /// What time it is.
    pub clock: Clock,
    /// What signs.
    pub keys: Keys,
    /// Who may do what.
    pub access: Arc<Access>,
    /// What is known.
    pub db: Db,
    /// Where objects lie.
    pub objects: Stores,
    /// What is known of recordings and sessions, and which changes are allowed.
    pub coordinator: Coordinator,
    /// Large files on their way.
    pub uploads: Uploads,
    /// How often an address may ask.
    pub limits: Limits,
    /// What is counted.
    pub metrics: Metrics,
    stopping: AtomicBool,
}

impl Server {
    /// Opens a data folder, and makes it where there is none.
    pub async fn open(config: Config, clock: Clock) -> anyhow::Result<App> {
        let data = &config.data;
        platform::create_private_folder(data)
            .with_context(|| format!("making the folder {}", data.display()))?;
        // First, since it makes sure that nobody else is at work here.
        let db = Db::open(data)?;
        let keys = Keys::open(data)?;
        let admin = AdminToken::open(data)?;
        let access = Arc::new(Access::open(admin, &keys, db.clone(), clock).await?);
        let now = Arc::new(move || clock.utc());
        let signer = Signer::new(&[keys.derive("objects")], Some(&config.public_url), now);
        let objects = Stores::open(config.object_store.as_deref(), data, signer)?;
        let rules = Rules { silence: config.silence, ..Rules::default() };
        let coordinator = Coordinator::new(db.clone(), objects.store.clone(), rules, clock.utc());
        let (limits, metrics) = (Limits::new(&config), Metrics::default());
        let uploads = Uploads::new(db.clone(), objects.large.clone(), objects.store.clone());
        Ok(Arc::new(Self {
            config,
            clock,
            keys,
            access,
            db,
            objects,
            coordinator,
            uploads,
            limits,
            metrics,
            stopping: AtomicBool::new(false),
        }))
    }

    /// Says that no more requests should come, so that a proxy sends them elsewhere.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether requests can be served.
    pub fn is_ready(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed)
    }
}
