//! Which store an operator has chosen.
//!
//! Owns: the words for it: `folder` (in the data folder), `folder:/srv/objects`, `memory`, `s3://…` ([`S3Config::parse`]).
//! Google's store speaks S3 too, with HMAC keys; what it wants differently belongs beside [`S3`].

use super::{Folder, LargeFiles, Memory, ObjectError, ObjectStore, S3, S3Config, Served, Signer};
use std::{env, path::Path, sync::Arc};

/// The folder within the data folder.
pub const FOLDER: &str = "objects";

/// The store of a server, and what it serves of it itself.
#[derive(Clone)]
pub struct Stores {
    /// Where objects lie.
    pub store: Arc<dyn ObjectStore>,
    /// The same, for large files.
    pub large: Arc<dyn LargeFiles>,
    /// The same, where this server is itself the store.
    pub served: Option<Arc<dyn Served>>,
}

impl Stores {
    /// Opens what was chosen. Waits for the disk.
    pub fn open(choice: Option<&str>, data: &Path, signer: Signer) -> Result<Self, ObjectError> {
        let choice = choice.unwrap_or("folder");
        let (kind, place) = choice.split_once(':').unwrap_or((choice, ""));
        match (kind, place) {
            ("folder", "") => Folder::open(&data.join(FOLDER), signer).map(Self::served),
            ("folder", place) => Folder::open(Path::new(place), signer).map(Self::served),
            ("s3", _) => {
                let config = S3Config::parse(choice, |name| env::var(name).ok())?;
                let store = Arc::new(S3::new(config, signer.now())?);
                Ok(Self { store: store.clone(), large: store, served: None })
            }
            ("memory", "") => Ok(Self::served(Memory::new(signer))),
            _ => Err(ObjectError::unavailable(
                "be chosen",
                "say `folder`, `folder:/path`, `memory` or `s3://KEY:SECRET@HOST/BUCKET`",
            )),
        }
    }

    fn served(store: impl Served) -> Self {
        let store = Arc::new(store);
        Self { store: store.clone(), large: store.clone(), served: Some(store) }
    }
}
