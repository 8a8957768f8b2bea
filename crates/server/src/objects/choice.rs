//! Which store an operator has chosen.
//!
//! Owns: the words for it: `folder` (in the data folder), `folder:/srv/objects`, `memory`.

use super::{Folder, Memory, ObjectError, ObjectStore, Served, Signer};
use std::{path::Path, sync::Arc};

/// The folder within the data folder.
pub const FOLDER: &str = "objects";

/// The store of a server, and what it serves of it itself.
#[derive(Clone)]
pub struct Stores {
    /// Where objects lie.
    pub store: Arc<dyn ObjectStore>,
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
            ("memory", "") => Ok(Self::served(Memory::new(signer))),
            _ => Err(ObjectError::unavailable(
                "be chosen",
                "say `folder`, `folder:/path`, `memory` or `s3://KEY:SECRET@HOST/BUCKET`",
            )),
        }
    }

    fn served(store: impl Served) -> Self {
        let store = Arc::new(store);
        Self { store: store.clone(), served: Some(store) }
    }
}
