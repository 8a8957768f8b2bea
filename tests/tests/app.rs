//! The desktop app: its window shows the engine, its keys work without one, and killing either costs nothing.

use rustix::process::Signal;
use serde_json::json;
use spool_tests::{CodeShow, Display, Film, app::Desktop, my_turn, process::find_within, rows, wait_for};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
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
    // Most of those that a busy machine has no time for are left out.
    assert!(codes.len() > 10, "only {} codes", codes.len());
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
    // Half a second is the most that may be missing, and the kill comes a moment after the look.
    assert!(lines[0]["duration_ms"].as_f64().unwrap() >= 1_250.0, "{page}");
}

#[test]
fn a_window_that_is_closed_takes_its_processes_along() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    let mut app = desktop.start_app(&[]);
    wait_for("a page", LIMIT, || (desktop.app_processes().1.len() == 1).then_some(()));
    desktop.record_by_key();
    desktop.press("alt+F4");
    wait_for("the page's end", LIMIT, || desktop.app_processes().1.is_empty().then_some(()));
    assert!(app.is_alive(), "it stays in the tray: {}", desktop.app_log());
    // Whoever starts it again gets a window of the one that runs.
    let mut second = desktop.start_app(&[]);
    wait_for("the second to go", LIMIT, || (!second.is_alive()).then_some(()));
    wait_for("a page", LIMIT, || (desktop.app_processes().1.len() == 1).then_some(()));
    assert_eq!(desktop.app_processes().0.len(), 1, "one app runs");
    desktop.press("ctrl+shift+r");
    desktop.wait_until("idle");
    assert!(desktop.spool.json(&["list"])[0]["duration_ms"].as_f64().unwrap() < 60_000.0);
}

#[test]
fn people_record_pause_and_find() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    // Beside the window, so that it is in the picture whatever lies in front.
    let _show = CodeShow::start(&display, (0, 0, 1280, 40), 30);
    let app = desktop.open(&[]);
    app.keys();
    // The guide comes back where it was left before the page knew the settings.
    let next = "(document.querySelector('[data-testid=welcome-start]') \
                ?? document.querySelector('[data-testid=record]:not(:disabled)'))?.click()";
    wait_for("a recording", 2 * LIMIT, || {
        app.window.evaluate(next);
        find_within(3 * SECOND, || (desktop.spool.json(&["status"])["activity"] == "recording").then_some(()))
    });
    wait_for("a second", LIMIT, || (desktop.spool.elapsed() > 1.0).then_some(()));
    app.window.click("[data-testid=pause]");
    desktop.wait_until("paused");
    app.window.click("[data-testid=pause]");
    desktop.wait_until("recording");
    wait_for("three seconds", LIMIT, || (desktop.spool.elapsed() > 3.0).then_some(()));
    app.window.click("[data-testid=stop]");
    // The page then shows what it would record next, so the engine is not idle for long.
    wait_for("the recording", LIMIT, || {
        (desktop.spool.json(&["list"])[0]["state"] == "finalized").then_some(())
    });

    app.window.evaluate("location.hash = '#/library'");
    app.window.click("a[href*='#/player/']");
    let recording = &desktop.spool.json(&["list"])[0]["recording"];
    let film = &app.ask(&json!({ "film": { "id": recording } }))["film"];
    let (session, track) = (film["session"].as_str().unwrap(), &film["tracks"][0]);
    let segment = &track["segments"][0];
    let name = track["track"].as_str().unwrap();
    let fetched = app.window.evaluate(&format!(
        "Promise.all(['init/{session}/{name}/{}', 'chunk/{session}/{name}/{}'].map(async (path) => \
         (await (await fetch(`engine://localhost/${{path}}`)).arrayBuffer()).byteLength))",
        segment["init"].as_str().unwrap(),
        segment["index"]
    ));
    assert!(fetched[0].as_u64().unwrap() > 300, "{fetched}");
    assert_eq!(fetched[1], segment["bytes"], "{fetched}");
}
