//! The real [`spool_upload::core::Uploader`] against a model of the server, a network that does the worst, and crashes of
//! both sides, from seeds. `SPOOL_SEED=7 cargo test -p spool-upload --test simulation by_chance` shows one again;
//! `SPOOL_SEEDS` says how many are tried.

mod server;
mod world;

use api::Code;
use spool_upload::core::{Allowed, Failure, Input, Limits, Refusal, Request, Trouble};
use std::{panic::AssertUnwindSafe, time::Duration};
use world::{Faults, World, local};

const STEPS: u32 = 100_000;

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A world of this seed: some sessions, some of them being recorded, and faults of some kinds.
fn by_chance(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed ^ 0x5eed);
    let mut often = |most: u32| if random.bool() { 0 } else { random.u32(0..=most) };
    let faults = Faults {
        refused: often(200),
        reset: often(200),
        answer_lost: often(200),
        duplicated: often(200),
        problem: often(300),
        flipped: often(100),
        unreadable: often(50),
        kills: often(12),
        lost_locally: often(20),
    };
    let mut locals: Vec<_> =
        (1..=random.u128(1..=4)).map(|n| local(n, random.u32(0..=20), random.bool())).collect();
    for local in &mut locals {
        let rotten = local.objects.iter().filter(|it| it.index.is_some()).map(api::ObjectSpec::name);
        local.rotten = rotten.filter(|_| random.u32(0..1_000) < faults.lost_locally).collect();
    }
    let mut world = World::new(seed, locals, faults);
    world.start();
    world.run(STEPS);
    if !world.locals.values().all(world::Local::is_over) {
        panic!(
            "it does not end: {:?}, {:?}, {:#?}",
            world.counts,
            world.troubles,
            world.uploader.view(world.now)
        );
    }
    // What the store lost after it was confirmed shows when the server looks again, as it does before local bytes go.
    world.faults = Faults::default();
    for local in world.locals.values_mut() {
        (local.verify, local.receipt) = (true, None);
    }
    world.restart();
    world.run(STEPS);
    world.verify();
    assert!(world.done);
    let elapsed = world.now.duration_since(world.zero);
    assert!(elapsed < Duration::from_secs(6 * 3_600), "it took {elapsed:?}");
}

#[test]
fn by_chance_nothing_is_lost_and_everything_ends() {
    if let Some(seed) = number_of("SPOOL_SEED") {
        return by_chance(seed);
    }
    for seed in 0..number_of("SPOOL_SEEDS").unwrap_or(1_500) {
        if std::panic::catch_unwind(AssertUnwindSafe(|| by_chance(seed))).is_err() {
            panic!("see it again: SPOOL_SEED={seed} cargo test -p spool-upload --test simulation by_chance");
        }
    }
}

#[test]
fn without_faults_there_is_no_request_too_many() {
    let mut world = World::new(1, vec![local(1, 200, false)], Faults::default());
    world.start();
    world.run(STEPS);
    world.verify();
    let objects = 402;
    assert_eq!((world.count("create"), world.count("join"), world.count("finalize")), (1, 1, 1));
    assert_eq!(world.count("put"), objects);
    assert!(world.count("urls") <= objects.div_ceil(64) + 1, "{:?}", world.counts);
    assert!(world.count("confirm") <= objects.div_ceil(16) + 4, "{:?}", world.counts);
    assert!(world.sending_max >= 4);
}

#[test]
fn what_is_recorded_is_sent_as_it_comes_and_says_that_it_lives() {
    let mut world = World::new(1, vec![local(1, 30, true)], Faults::default());
    world.start();
    world.run(STEPS);
    world.verify();
    assert_eq!(world.count("put"), 62);
    let beats = world.count("heartbeat");
    assert!((11..=14).contains(&beats), "{beats} heartbeats in 120 s");
    assert!(world.count("urls") <= 62 && world.count("confirm") <= 62, "{:?}", world.counts);
}

#[test]
fn the_newest_goes_first_where_it_is_live() {
    // Half an hour was recorded offline; the network comes back while it goes on.
    let mut live = local(2, 400, true);
    live.sealed = 700;
    let mut world = World::new(1, vec![local(1, 400, false), live], Faults::default());
    world.limits.parallel_max = 2;
    world.restart();
    let id = world.locals.keys().nth(1).copied().unwrap();
    while world.locals[&id].confirmed.len() < 100 {
        assert!(world.step());
    }
    let confirmed = &world.locals[&id].confirmed;
    assert!(confirmed.iter().filter(|name| name.contains("init")).count() == 2);
    assert!(!confirmed.iter().any(|name| name.contains("/000100")), "{confirmed:?}");
    assert!(world.locals.values().next().unwrap().confirmed.len() <= confirmed.len());
}

/// Sessions 1 and 2, of which `blocked` keeps some requests of the first from the server.
fn second_is_not_held_up(blocked: fn(&Request) -> Option<Failure>) -> World {
    let mut world = World::new(3, vec![local(1, 10, false), local(2, 10, false)], Faults::default());
    world.blocked = blocked;
    world.start();
    world.run(2_000);
    let over: Vec<_> = world.locals.values().map(world::Local::is_over).collect();
    assert_eq!(over, [false, true], "{:?}", world.counts);
    world
}

fn is_first(request: &Request) -> bool {
    let id = |number| uuid::Uuid::from_u128(number);
    match request {
        Request::Create(create) => create.id.0 == id(1 | 1 << 64),
        Request::Join(_, join) => join.id.0 == id(1),
        Request::Put(session, ..) => session.0 == id(1),
        Request::Urls(call, _) | Request::Confirm(call, _) => call.session.0 == id(1),
        Request::Heartbeat(call, _) | Request::Finalize(call, _) => call.session.0 == id(1),
        Request::Verify(call) | Request::Receipt(call) => call.session.0 == id(1),
    }
}

#[test]
fn a_deleted_recording_holds_up_no_other_and_is_asked_about_rarely() {
    let gone = |request: &Request| is_first(request).then(|| World::refuse(Code::Gone));
    let world = second_is_not_held_up(gone);
    let id = world.locals.keys().next().copied();
    assert!(matches!(world.troubles.get(&id), Some(Trouble::Gone(_))), "{:?}", world.troubles);
    let elapsed = world.now.duration_since(world.zero).as_secs();
    assert!(u64::from(world.count("create")) <= 3 + elapsed / 100, "{:?} in {elapsed} s", world.counts);
}

#[test]
fn faults_of_one_session_hold_up_no_other() {
    second_is_not_held_up(|request| is_first(request).then(|| World::refuse(Code::Internal)));
    second_is_not_held_up(|request| is_first(request).then(|| World::refuse(Code::IdTaken)));
    second_is_not_held_up(|request| {
        (is_first(request) && matches!(request, Request::Urls(..))).then(|| World::refuse(Code::NotFound))
    });
    second_is_not_held_up(|request| {
        (is_first(request) && matches!(request, Request::Finalize(..)))
            .then(|| World::refuse(Code::TokenExpired))
    });
    second_is_not_held_up(|request| {
        (is_first(request) && matches!(request, Request::Put(..)))
            .then(|| World::refuse(Code::SignatureInvalid))
    });
}

#[test]
fn without_a_login_it_waits_and_a_word_starts_it() {
    let mut world = World::new(3, vec![local(1, 10, false)], Faults::default());
    world.blocked = |request| match request {
        Request::Create(_) | Request::Join(..) => Some(Failure::NoLogin("nobody".to_owned())),
        _ => None,
    };
    world.start();
    world.run(200);
    assert!(matches!(world.troubles.get(&None), Some(Trouble::Login(_))), "{:?}", world.troubles);
    let elapsed = world.now.duration_since(world.zero).as_secs();
    assert!(u64::from(world.count("create")) <= 2 + elapsed / 100, "{:?} in {elapsed} s", world.counts);
    world.blocked = |_| None;
    let before = world.now;
    world.tell(Input::Retry);
    world.run(STEPS);
    world.verify();
    assert!(world.troubles.is_empty(), "{:?}", world.troubles);
    let took = world.now.duration_since(before);
    assert!(took < Duration::from_secs(20), "{took:?} {:?}", world.counts);
}

#[test]
fn a_server_that_is_away_for_a_day_is_asked_ever_more_rarely() {
    let mut world = World::new(3, (1..20).map(|n| local(n, 10, false)).collect(), Faults::default());
    world.blocked = |_| Some(Failure::Unreachable("no route".to_owned()));
    world.start();
    while world.now.duration_since(world.zero) < Duration::from_secs(86_400) {
        assert!(world.step());
    }
    let tries = world.count("create");
    assert!((480..1_000).contains(&tries), "{tries} tries in a day");
    assert!(matches!(world.troubles.get(&None), Some(Trouble::Away(_))));
    world.blocked = |_| None;
    world.run(STEPS);
    world.verify();
}

#[test]
fn retry_after_is_obeyed() {
    let mut world = World::new(3, vec![local(1, 10, false)], Faults::default());
    world.blocked = |request| {
        let later = Some(Duration::from_secs(100));
        let detail = String::new();
        let refusal = Refusal { status: 429, code: Some(Code::TooMany), detail, retry_after: later };
        matches!(request, Request::Put(..)).then_some(Failure::Refused(refusal))
    };
    world.start();
    while world.now.duration_since(world.zero) < Duration::from_secs(1_000) {
        assert!(world.step());
    }
    let puts = world.count("put");
    // The first ones together, then one at a time.
    assert!((10..=14).contains(&puts), "{puts}");
}

#[test]
fn pause_gives_up_what_is_under_way_and_sends_nothing() {
    let mut world = World::new(3, vec![local(1, 100, false)], Faults::default());
    world.start();
    while world.count("put") < 40 {
        assert!(world.step());
    }
    world.tell(Input::Allow(Allowed::No));
    let before = world.counts.clone();
    while world.step() {}
    assert_eq!(world.counts, before);
    world.tell(Input::Allow(Allowed::Yes));
    world.run(STEPS);
    world.verify();
}

#[test]
fn limits_change_while_it_runs() {
    let mut world = World::new(3, vec![local(1, 200, false)], Faults::default());
    world.start();
    while world.count("put") < 40 {
        assert!(world.step());
    }
    world.tell(Input::Limits(Limits { parallel_max: 1, ..world.limits }));
    while world.uploader.view(world.now).sending > 1 {
        assert!(world.step());
    }
    world.limits.parallel_max = 1;
    world.run(STEPS);
    world.verify();
}

#[test]
fn what_is_forgotten_is_not_spoken_of_again() {
    let mut world = World::new(3, vec![local(1, 100, false)], Faults::default());
    world.start();
    while world.count("put") < 40 {
        assert!(world.step());
    }
    let id = world.locals.keys().next().copied().unwrap();
    world.tell(Input::Forget(id));
    let before = world.counts.clone();
    while world.step() {}
    assert_eq!(world.counts, before);
    assert!(world.done);
}

#[test]
fn an_index_with_other_bytes_keeps_the_session_open_and_is_told() {
    let mut world = World::new(3, vec![local(1, 10, false)], Faults::default());
    world.start();
    while world.count("put") == 0 {
        assert!(world.step());
    }
    let (id, local) = world.locals.iter().next().unwrap();
    let (id, mut spec) = (*id, local.objects[10].clone());
    spec.sha256 = model::Hash([7; 32]);
    let row = format!("{}/{}", spec.track, spec.index.unwrap());
    world.server.rows.sessions.get_mut(&id).unwrap().confirmed.insert(row, spec);
    world.run(2_000);
    assert!(!world.locals[&id].is_over());
    assert_eq!(world.locals[&id].confirmed.len(), 21, "all others are there");
    assert!(matches!(world.troubles.get(&Some(id)), Some(Trouble::Taken(_))), "{:?}", world.troubles);
}

#[test]
fn what_arrived_though_nobody_said_so_is_not_sent_again() {
    let faults = Faults { answer_lost: 300, ..Faults::default() };
    let mut world = World::new(5, vec![local(1, 100, false)], faults);
    world.start();
    world.run(STEPS);
    world.verify();
    assert_eq!(world.count("put"), 202, "{:?}", world.counts);
    assert!(world.server.writes.values().all(|writes| *writes == 1));
}

/// Session 1, which the server has another manifest of.
fn with_other_manifest(change: fn(&mut api::Manifest)) -> World {
    let mut world = World::new(3, vec![local(1, 10, false)], Faults::default());
    world.start();
    while world.count("put") == 0 {
        assert!(world.step());
    }
    let id = world.locals.keys().next().copied().expect("a session");
    let mut manifest = world.locals[&id].manifest();
    change(std::sync::Arc::make_mut(&mut manifest));
    world.server.rows.sessions.get_mut(&id).expect("a session").manifest = Some(manifest);
    world.run(2_000);
    world
}

#[test]
fn another_manifest_of_the_same_objects_is_as_good() {
    let world = with_other_manifest(|manifest| manifest.meta.title = "before".to_owned());
    world.verify();
    assert_eq!((world.count("finalize"), world.count("receipt")), (1, 1));
}

#[test]
fn a_manifest_that_lacks_some_of_ours_makes_no_receipt() {
    let world = with_other_manifest(|manifest| drop(manifest.tracks[0].objects.pop()));
    let (id, local) = world.locals.iter().next().unwrap();
    assert!(!local.is_over());
    assert!(matches!(world.troubles.get(&Some(*id)), Some(Trouble::Taken(_))), "{:?}", world.troubles);
}
