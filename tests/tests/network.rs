//! Bad luck on the way to the server. Whatever happens: afterwards every chunk is there exactly once, byte for byte, and
//! the receipt counts all of them.

use rustix::process::Signal;
use serde_json::Value;
use spool_tests::{
    Disk, Fault, Finished, Network, Random, Server, Spool, Weather, library, my_turn,
    process::{self, lines, wait_for_exit},
    tool, wait_for,
};
use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);
/// For a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(240);

/// A recorder, a server, and the way between them.
struct Way {
    spool: Spool,
    network: Network,
    server: Server,
}

impl Way {
    /// In calm weather, logged in. What people see of the server, uploads included, is behind the network.
    fn new(seed: u64) -> Self {
        Self::to(seed, |address| Server::with(&["--public-url", address]))
    }

    fn to(seed: u64, serve: impl FnOnce(&str) -> Server) -> Self {
        let network = Network::seeded(([127, 0, 0, 1], 1).into(), seed);
        let server = serve(&format!("http://{}", network.address()));
        network.lead_to(server.address());
        Self { spool: Spool::new(), network, server }
    }

    fn log_in(&self) {
        let url = format!("http://{}", self.network.address());
        self.spool.run(["login", &url, "--token", &self.server.token()]).ok();
    }

    /// A few seconds of all kinds of tracks, recorded while nobody uploads.
    fn record(&self) -> Finished {
        self.spool.record(["--synthetic", "--for", "6s", "--chunk", "2s", "--mode", "both"]).finished()
    }

    /// `spool sync --once`, running.
    fn sync(&self) -> Child {
        let mut command = self.spool.command(["sync", "--once", "--patience", "120s"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().expect("spool can be started")
    }

    /// Waits until `spool sync --once` has ended well.
    #[track_caller]
    fn synced(&self, mut sync: Child) {
        let (said, _reader) = lines(sync.stderr.take().expect("it is a pipe"));
        let status = wait_for_exit(&mut sync, PATIENCE);
        let said: Vec<String> = said.try_iter().collect();
        if status.is_none() {
            let _gone = sync.kill();
        }
        assert_eq!(
            status.and_then(|status| status.code()),
            Some(0),
            "{said:#?}\n{}",
            self.spool.engine_log()
        );
    }

    /// Fails the test unless the server has all of it, and nothing else, and says so.
    #[track_caller]
    fn assert_all_is_there(&self, recorded: &[&Finished]) {
        let mut expected = BTreeMap::new();
        for finished in recorded {
            let details = self.spool.json(&["show", &finished.recording]);
            let receipt = &details["receipt"];
            let (mut chunks, prefix) =
                (0, format!("recordings/{}/sessions/{}", finished.recording, finished.session));
            for track in library::tracks(&self.spool, &finished.session) {
                let inits = library::inits(&self.spool, &finished.session, &track);
                let sealed = library::chunks(&self.spool, &finished.session, &track);
                chunks += sealed.len() as u64;
                for path in inits.iter().chain(&sealed) {
                    let name = path.file_name().and_then(|name| name.to_str()).expect("names are text");
                    let bytes = fs::read(path).expect("chunks can be read");
                    expected.insert(format!("{prefix}/{track}/{name}"), bytes);
                }
            }
            assert!(chunks > 3);
            assert_eq!(counts(receipt), (chunks, chunks), "{receipt}");
            assert_eq!(receipt["complete"], true, "{receipt}");
        }
        let there = self.server.objects();
        let names = |objects: &BTreeMap<String, Vec<u8>>| objects.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&there), names(&expected));
        let damaged: Vec<_> =
            expected.iter().filter(|(name, bytes)| there[*name] != **bytes).map(|one| one.0).collect();
        assert!(damaged.is_empty(), "other bytes: {damaged:?}");
    }
}

fn counts(receipt: &Value) -> (u64, u64) {
    let count = |name: &str| receipt[name].as_u64().unwrap_or_else(|| panic!("no {name} in {receipt}"));
    (count("verified"), count("expected"))
}

#[test]
fn storms_delay_and_lose_nothing() {
    let _turn = my_turn();
    let seed = Random::from_environment(3).bits();
    let way = Way::new(seed);
    let finished = way.record();
    way.log_in();
    way.network.set(Weather::Storm { percent: 40 });
    let sync = way.sync();
    way.network.wait_for_faults(6, PATIENCE);
    // Backoff grows with bad luck, so a storm without end would take long.
    way.network.set(Weather::Storm { percent: 10 });
    way.synced(sync);
    way.assert_all_is_there(&[&finished]);
}

#[test]
fn each_kind_of_bad_luck_is_survived_for_itself() {
    let _turn = my_turn();
    let way = Way::new(1);
    way.log_in();
    let faults = [
        ("PUT ", Fault::LoseAnswer),
        ("PUT ", Fault::Flip(50)),
        ("PUT ", Fault::CutRequest(1_000)),
        ("confirm", Fault::LoseAnswer),
        ("upload-urls", Fault::Status(429)),
        ("finalize", Fault::LoseAnswer),
        ("POST /v1/recordings", Fault::CutAnswer),
    ];
    let mut recorded = Vec::new();
    for (line, fault) in faults {
        let before = way.network.counts().1;
        way.network.set(Weather::Only(line, fault));
        let finished = way.spool.record(["--synthetic", "--for", "3s", "--chunk", "2s"]).finished();
        let sync = way.sync();
        way.network.wait_for_faults(before + 2, PATIENCE);
        way.network.set(Weather::Calm);
        way.synced(sync);
        recorded.push(finished);
    }
    way.assert_all_is_there(&recorded.iter().collect::<Vec<_>>());
}

#[test]
fn recorder_and_server_may_be_killed_at_any_instant() {
    let _turn = my_turn();
    let mut random = Random::from_environment(8);
    let mut way = Way::new(random.bits());
    let finished = way.record();
    way.log_in();
    way.network.set(Weather::Always(Fault::Throttle(300_000)));
    for round in 0..6 {
        let mut sync = way.sync();
        wait_for("an engine", 10 * SECOND, || way.spool.engine());
        thread::sleep(random.between(Duration::ZERO, Duration::from_millis(1_500)));
        if round % 2 == 0 {
            way.spool.signal_engine(Signal::KILL);
        } else {
            way.server.kill();
            thread::sleep(random.between(Duration::ZERO, Duration::from_millis(300)));
            way.server.run();
        }
        let _gone = sync.kill();
        let _reaped = sync.wait();
    }
    way.network.set(Weather::Calm);
    way.synced(way.sync());
    way.assert_all_is_there(&[&finished]);
}

#[test]
fn a_recording_is_untouched_by_a_network_that_is_gone_and_follows_by_itself() {
    let _turn = my_turn();
    let way = Way::new(1);
    way.log_in();
    way.network.set(Weather::Away);
    let finished = way.record();
    assert_eq!(way.spool.json(&["show", &finished.recording])["state"], "finalized");
    assert!(way.server.objects().is_empty());
    way.network.set(Weather::Calm);
    // Nobody asks for it: the engine tries again by itself.
    let receipt = |spool: &Spool| spool.json(&["show", &finished.recording])["receipt"]["complete"] == true;
    wait_for("the receipt", PATIENCE, || receipt(&way.spool).then_some(()));
    way.assert_all_is_there(&[&finished]);
}

#[test]
fn a_day_later_and_with_a_wrong_clock_the_server_gets_everything() {
    let _turn = my_turn();
    let mut way = Way::to(1, |address| {
        // Silence is noticed within seconds.
        Server::with(&["--public-url", address, "--silence", "3"])
    });
    way.log_in();
    let mut recorder = way.spool.record(["--synthetic", "--chunk", "2s", "--mode", "both"]);
    let recording = recorder.started();
    wait_for("the first chunks at the server", PATIENCE, || (way.server.objects().len() > 2).then_some(()));
    way.network.set(Weather::Away);
    recorder.elapsed(9 * SECOND);
    // The coordinator has closed it by now, provisionally.
    let (admin, path) = (way.server.admin_token(), format!("/v1/recordings/{recording}"));
    let status = || way.server.ask("GET", &path, &admin, None).1["status"].clone();
    wait_for("the provisional end", PATIENCE, || (status() == "uploading").then_some(()));
    let finished = Finished::read(way.spool.json(&["stop"]));
    way.server.stop();
    way.server.set("SPOOL_CLOCK_OFFSET", &(25 * 3_600).to_string());
    way.server.run();
    way.network.set(Weather::Calm);
    way.synced(way.sync());
    way.assert_all_is_there(&[&finished]);
    assert_eq!(way.server.ask("GET", &path, &admin, None).1["status"], "ready");
}

#[test]
fn a_store_that_lies_is_found_and_gets_what_it_lost_again() {
    let _turn = my_turn();
    let way = Way::new(1);
    way.log_in();
    let finished = way.record();
    way.synced(way.sync());
    let objects = way.server.objects();
    let names: Vec<_> = objects.keys().filter(|name| name.ends_with(".m4s")).collect();
    let (gone, changed) =
        (way.server.data().join("objects").join(names[0]), way.server.data().join("objects").join(names[1]));
    fs::remove_file(gone).unwrap();
    let mut bytes = objects[names[1]].clone();
    bytes[100] ^= 1;
    fs::write(changed, bytes).unwrap();
    let said = way.spool.run(["verify", &finished.recording, "--at-server"]);
    let all = format!("{}{}", said.stdout, said.stderr);
    for name in [names[0], names[1]] {
        let short = name.rsplit_once('/').unwrap().1;
        assert!(all.contains(short), "{short} is not named: {all}");
    }
    way.synced(way.sync());
    way.assert_all_is_there(&[&finished]);
}

#[test]
fn a_server_whose_disk_is_full_confirms_nothing_and_goes_on_when_there_is_room() {
    let _turn = my_turn();
    let disk = Disk::mount(64);
    let data = disk.path().join("data");
    let way = Way::to(1, |address| Server::in_folder(Some(&data), &["--public-url", address], &[]));
    let finished = way.record();
    way.log_in();
    // Of the rest, the server keeps some for its database.
    let ballast = disk.path().join("ballast");
    let size = disk.free().saturating_sub(10_000_000).to_string();
    process::text(tool("fallocate").args(["-l", &size]).arg(&ballast));
    way.spool.run(["sync", "--once", "--patience", "3s"]).refused(1, "no space left");
    assert!(way.server.objects().is_empty());
    assert_eq!(way.spool.json(&["show", &finished.recording])["uploaded"], "waiting");
    fs::remove_file(ballast).unwrap();
    way.synced(way.sync());
    way.assert_all_is_there(&[&finished]);
}
