//! The desktop app: its window shows the engine, its keys work without one, and killing either costs nothing.

use model::Rect;
use rustix::process::Signal;
use serde_json::json;
use spool_tests::{
    CodeShow, Display, Film,
    app::Desktop,
    codes::{assert_in_order, without_repeats},
    film, my_turn,
    process::find_within,
    rows, wait_for,
};
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
    assert!(codes.len() > 40, "only {} codes", codes.len());
    assert!(show.find(codes[0].1).is_some(), "it is not this display's picture");
}

#[test]
fn a_recording_outlives_the_app() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    let app = desktop.open(&[]);
    desktop.record_in(&app);
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
    desktop.record_in(&app);
    wait_for("two seconds", LIMIT, || (desktop.spool.elapsed() > 2.0).then_some(()));
    desktop.spool.signal_engine(Signal::KILL);
    app.window.until("window.states?.at(-1) === 'connected'");
    assert_eq!(app.window.evaluate("window.states"), json!(["lost", "starting", "connected"]));
    let page = app.ask(&json!({ "list": { "limit": 10 } }));
    let lines = rows(&page["recordings"]["recordings"]);
    assert_eq!((lines.len(), &lines[0]["state"]), (1, &json!("recovered")), "{page}");
    // Half a second is the most that may be missing.
    assert!(lines[0]["duration_ms"].as_f64().unwrap() >= 1_500.0, "{page}");
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
    let helper = || desktop.spool.processes_named("WebKitNetworkPr");
    wait_for("the end of what fetched it", LIMIT, || helper().is_empty().then_some(()));
    assert!(app.is_alive(), "it stays in the tray: {}", desktop.app_log());
    // Whoever starts it again, or follows a link, gets a window of the one that runs.
    let data = desktop.spool.data().display().to_string();
    let mut second = desktop.start_app(&["--data", &data, "spool://library"]);
    wait_for("the second to go", LIMIT, || (!second.is_alive()).then_some(()));
    wait_for("a page", LIMIT, || (desktop.app_processes().1.len() == 1).then_some(()));
    assert_eq!(desktop.app_processes().0.len(), 1, "one app runs");
    desktop.press("ctrl+shift+r");
    desktop.wait_until("idle");
    assert!(desktop.spool.json(&["list"])[0]["duration_ms"].as_f64().unwrap() < 60_000.0);
}

#[test]
fn people_record_pause_find_play_and_cut() {
    let _turn = my_turn();
    let display = Display::start(1280, 1100);
    let desktop = Desktop::start(&display);
    // Speakers that are only a buffer stand still while nobody plays, and players wait for them.
    let _tones = [desktop.sound.play("micfeed", 1000), desktop.sound.play("speakers", 440)];
    // Below the window, so that both are in the picture, which is no smaller than the screen.
    let show = CodeShow::start(&display, (0, 1000, 1280, 96), 30);
    desktop.spool.run(["config", "preset=1440p"]).ok();
    let app = desktop.open(&[]);
    app.window.click("[data-testid=welcome-start]");
    app.window.click("[data-testid=record]");
    desktop.wait_until("recording");
    wait_for("a second", LIMIT, || (desktop.spool.elapsed() > 1.0).then_some(()));
    app.window.click("[data-testid=pause]");
    desktop.wait_until("paused");
    app.window.click("[data-testid=pause]");
    desktop.wait_until("recording");
    wait_for("five seconds", LIMIT, || (desktop.spool.elapsed() > 5.0).then_some(()));
    app.window.click("[data-testid=stop]");
    // The page then shows what it would record next, so the engine is not idle for long.
    wait_for("the recording", LIMIT, || {
        (desktop.spool.json(&["list"])[0]["state"] == "finalized").then_some(())
    });

    app.window.evaluate("location.hash = '#/library'");
    app.window.click("a[href*='#/player/']");
    app.window.click("[data-testid=play]");
    app.window.until("document.querySelector('video')?.currentTime > 1");
    let picture = "(() => { const canvas = document.createElement('canvas'); canvas.width = canvas.height = 64; \
        const context = canvas.getContext('2d'); context.drawImage(document.querySelector('video'), 0, 0, 64, 64); \
        return [...context.getImageData(0, 0, 64, 64).data].join(); })()";
    let first = app.window.evaluate(picture);
    wait_for("another picture", LIMIT, || (app.window.evaluate(picture) != first).then_some(()));
    assert!(app.window.text("[data-testid=time]").ends_with("/ 00:00:05"), "the pause does not count");

    let key = |key: &str| {
        let pressed = format!("new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true }})");
        app.window.evaluate(&format!("document.body.dispatchEvent({pressed})"));
    };
    key("i");
    let begin = app.window.evaluate("document.querySelector('video').currentTime").as_f64().unwrap();
    app.window.until(&format!("document.querySelector('video').currentTime > {}", begin + 1.0));
    key("o");
    let file = desktop.spool.file("cut.mp4");
    app.window.click("[data-testid=export-selection]");
    desktop.wait_for_window("Save File");
    wait_for("the file", LIMIT, || {
        // A window that has only just come may miss some of it.
        desktop.press("ctrl+a");
        desktop.type_words(file.to_str().expect("paths are text"));
        desktop.press("Return");
        find_within(3 * SECOND, || file.exists().then_some(()))
    });
    app.window.until("document.body.innerText.includes('cut.mp4')");
    let codes = without_repeats(Film::decode_part(&file, Rect::new(0, 1000, 1280, 96)).codes());
    assert!(codes.len() > 5, "only {} codes", codes.len());
    assert_in_order(&codes, u64::MAX);
    assert!(codes.iter().all(|(_, code)| show.find(*code).is_some()), "{codes:?}");
    let seconds = film::duration(&file);
    assert!((0.9..3.0).contains(&seconds), "{seconds} s were chosen");
}
