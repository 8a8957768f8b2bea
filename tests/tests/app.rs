//! The desktop app: its window shows the engine, its keys work without one, and killing either costs nothing.

use rustix::process::Signal;
use serde_json::json;
use spool_tests::{CodeShow, Display, Film, app::Desktop, my_turn, rows, wait_for};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn the_window_shows_the_engine() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    let app = desktop.open(&[]);
    app.window.until("document.title.includes('Spool')");
    let status = app.ask(&json!("status"));
    assert_eq!(status["status"]["activity"], "idle", "{status}");
    let about = app.invoke("about");
    assert_eq!((&about["system"], &about["session"]), (&json!("linux"), &json!("x11")), "{about}");
    assert_eq!(about["data"], json!(desktop.spool.data().canonicalize().unwrap()), "{about}");
    let keys = app.keys();
    assert!(rows(&keys).iter().all(|key| key["state"] == "active"), "{keys}");
    let fetched = "fetch('engine://localhost/still/none?at=0&width=64').then((answer) => answer.status)";
    assert_eq!(app.window.evaluate(fetched), 404);
    assert_eq!(
        app.window.evaluate("fetch('https://example.org').then(() => 'loaded', () => 'refused')"),
        "refused"
    );
}

#[test]
fn a_key_records_while_no_window_is_there() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    let show = CodeShow::fill(&display, 30);
    let _app = desktop.start_app(&["--hidden"]);
    desktop.record_by_key();
    assert_eq!(desktop.app_processes().1, Vec::<u32>::new(), "nothing draws pages");
    wait_for("two seconds", LIMIT, || (desktop.spool.elapsed() > 2.0).then_some(()));
    desktop.press("ctrl+shift+p");
    desktop.wait_until("paused");
    desktop.press("ctrl+shift+p");
    desktop.wait_until("recording");
    wait_for("three seconds", LIMIT, || (desktop.spool.elapsed() > 3.0).then_some(()));
    desktop.press("ctrl+shift+r");
    desktop.wait_until("idle");
    let list = desktop.spool.json(&["list"]);
    assert_eq!(rows(&list).len(), 1, "{list}");
    assert_eq!(rows(&list)[0]["state"], "finalized", "{list}");
    let film = Film::decode(&desktop.spool.export("last", "keys.mp4"));
    let codes = film.codes();
    assert!(codes.len() > 40, "only {} codes", codes.len());
    assert!(show.find(codes[0].1).is_some(), "it is not this display's picture");
}

#[test]
fn a_recording_outlives_the_app() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    let app = desktop.open(&[]);
    app.keys();
    desktop.press("ctrl+shift+r");
    desktop.wait_until("recording");
    let begun = desktop.spool.elapsed();
    app.kill();
    wait_for("the recording to go on", LIMIT, || (desktop.spool.elapsed() > begun + 1.5).then_some(()));
    let again = desktop.open(&[]);
    let status = again.ask(&json!("status"));
    assert_eq!(status["status"]["activity"], "recording", "{status}");
    again.ask(&json!("stop"));
    let list = desktop.spool.json(&["list"]);
    assert_eq!(rows(&list)[0]["state"], "finalized", "{list}");
}

#[test]
fn the_app_starts_an_engine_that_died_and_shows_what_it_saved() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    let app = desktop.open(&[]);
    app.window.evaluate(
        "window.__TAURI_INTERNALS__.invoke('plugin:event|listen', { event: 'engine-state', target: { kind: 'Any' }, \
         handler: window.__TAURI_INTERNALS__.transformCallback(({ payload }) => \
         (window.states ??= []).push(payload.state)) }).then(() => true)",
    );
    app.keys();
    desktop.press("ctrl+shift+r");
    desktop.wait_until("recording");
    wait_for("two seconds", LIMIT, || (desktop.spool.elapsed() > 2.0).then_some(()));
    desktop.spool.signal_engine(Signal::KILL);
    app.window.until("window.states?.at(-1) === 'connected'");
    assert_eq!(app.window.evaluate("window.states"), json!(["lost", "starting", "connected"]));
    let page = app.ask(&json!({ "list": { "limit": 10 } }));
    let lines = rows(&page["recordings"]["recordings"]);
    assert_eq!((lines.len(), &lines[0]["state"]), (1, &json!("recovered")), "{page}");
    assert!(lines[0]["duration_ms"].as_f64().unwrap() > 1_500.0, "{page}");
}
