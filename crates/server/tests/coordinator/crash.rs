//! A server that is killed: what it has answered is there.

use crate::{
    take::{START, Take},
    world::{World, memory, open},
};
use api::Confirm;
use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};
use uuid::Uuid;

/// Tells the child that it is one, and where to write.
const CHILD: &str = "SPOOL_TEST_KILLED_SERVER";
const CHUNKS: u32 = 3_000;

fn ids(take: Take) -> Take {
    let fixed = |n: u128| Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n);
    Take { recording: model::RecordingId(fixed(1)), session: model::SessionId(fixed(2)), ..take }
}

/// What the child does: confirms one chunk after the other, some at once, and says so.
async fn confirm_and_tell(folder: &Path) {
    let store = memory();
    let coordinator = open(folder, &store, START);
    let take = Arc::new(ids(Take::new(CHUNKS)));
    coordinator.create("device".to_owned(), take.create(), START).await.unwrap();
    coordinator.join(crate::world::reach(), take.recording, take.join(), START).await.unwrap();
    let tasks = (0..8).map(|lane| {
        let (coordinator, store, take) = (coordinator.clone(), store.clone(), take.clone());
        tokio::spawn(async move {
            for at in (lane..take.objects.len()).step_by(8) {
                let objects = vec![take.objects[at].clone()];
                take.put(&store, &objects[0]);
                coordinator.confirm(take.session, Confirm { objects }, START).await.unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "confirmed {at}").and_then(|()| out.flush()).unwrap();
            }
        })
    });
    futures_util::future::join_all(tasks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_has_all_that_it_confirmed() {
    if let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) {
        return confirm_and_tell(&folder).await;
    }
    for enough in [1, 40, 333] {
        let folder = tempfile::tempdir().unwrap();
        let told = kill_after(enough, folder.path());
        let store = memory();
        let coordinator = open(folder.path(), &store, START);
        let take = ids(Take::new(CHUNKS));
        let world = World { folder, store, coordinator, now: START };
        let kept: Vec<_> = world.listing(&take).await.into_iter().map(|line| line.object).collect();
        for at in &told {
            assert!(kept.contains(&take.objects[*at]), "{} was confirmed and is gone", take.objects[*at]);
        }
        let line = world.coordinator.session(take.session).await.unwrap();
        assert_eq!(line.chunks, kept.iter().filter(|spec| spec.index.is_some()).count() as u64);
    }
}

/// Kills the child once it has confirmed so many, and says which.
fn kill_after(enough: usize, folder: &Path) -> Vec<usize> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::a_killed_server_has_all_that_it_confirmed", "--nocapture"])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The first line of the harness may have one of ours at its end.
    let mut told = lines.filter_map(|line| line.rsplit_once("confirmed ")?.1.parse().ok());
    let mut confirmed: Vec<usize> = told.by_ref().take(enough).collect();
    child.kill().unwrap();
    // What was said before the kill counts too.
    confirmed.extend(told);
    child.wait().unwrap();
    assert!(confirmed.len() >= enough);
    confirmed
}
