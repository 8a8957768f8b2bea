//! A coordinator with its data folder, and sessions whose bytes are made up.

use crate::take::{START, Take};
use api::{Code, Confirm, ConfirmAnswer, ObjectLine, ObjectSpec, UploadAnswer, UploadUrls};
use model::UtcTime;
use spool_server::{
    coordinator::{Coordinator, CoordinatorError, Reach, Rules},
    db::Db,
    objects::{Memory, Signer},
};
use std::{path::Path, sync::Arc, time::Duration};

pub fn reach() -> Reach {
    Reach::Own("device".to_owned())
}

pub fn rules() -> Rules {
    Rules { silence: Duration::from_secs(120), ..Rules::default() }
}

pub struct World {
    pub folder: tempfile::TempDir,
    pub store: Arc<Memory>,
    pub coordinator: Coordinator,
    pub now: UtcTime,
}

pub fn memory() -> Arc<Memory> {
    Arc::new(Memory::new(Signer::new(&[[7; 32]], None, Arc::new(|| START))))
}

pub fn open(folder: &Path, store: &Arc<Memory>, now: UtcTime) -> Coordinator {
    Coordinator::new(Db::open(folder).unwrap(), store.clone(), rules(), now)
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = memory();
        let coordinator = open(folder.path(), &store, START);
        Self { folder, store, coordinator, now: START }
    }

    /// What a server finds that is started again.
    pub fn reopen(self) -> Self {
        let Self { folder, store, coordinator, now } = self;
        drop(coordinator);
        let coordinator = open(folder.path(), &store, now);
        Self { folder, store, coordinator, now }
    }

    pub async fn begin(&self, take: &Take) {
        self.coordinator.create("device".to_owned(), take.create(), self.now).await.unwrap();
        self.coordinator.join(reach(), take.recording, take.join(), self.now).await.unwrap();
    }

    pub async fn urls(&self, take: &Take, objects: &[ObjectSpec]) -> Vec<UploadAnswer> {
        let request = UploadUrls { objects: objects.to_vec() };
        self.coordinator.upload_urls(take.session, request, self.now).await.unwrap().objects
    }

    pub async fn confirm(&self, take: &Take, objects: &[ObjectSpec]) -> Vec<ConfirmAnswer> {
        let request = Confirm { objects: objects.to_vec() };
        self.coordinator.confirm(take.session, request, self.now).await.unwrap().objects
    }

    /// Sends and confirms, as a recorder does that has no bad luck.
    pub async fn upload(&self, take: &Take, objects: &[ObjectSpec]) {
        for batch in objects.chunks(api::BATCH_MAX) {
            batch.iter().for_each(|spec| take.put(&self.store, spec));
            let answers = self.confirm(take, batch).await;
            assert!(
                answers.iter().all(|answer| matches!(answer, ConfirmAnswer::Verified { .. })),
                "{answers:?}"
            );
        }
    }

    /// All that is confirmed.
    pub async fn listing(&self, take: &Take) -> Vec<ObjectLine> {
        let (mut lines, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.coordinator.objects(take.session, cursor, Some(7)).await.unwrap();
            lines.extend(page.objects);
            cursor = page.cursor;
            if cursor.is_none() {
                return lines;
            }
        }
    }
}

pub fn code<T: std::fmt::Debug>(result: Result<T, CoordinatorError>) -> Code {
    result.unwrap_err().code()
}
