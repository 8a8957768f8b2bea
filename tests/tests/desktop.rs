//! The desktop app among what a desktop has: tray, notifications, keys that it gives out, links, other programs.

use rustix::process::Signal;
use serde_json::json;
use spool_tests::{
    Display, Spool, Wayland,
    app::{App, Desktop, for_app, log},
    desk::{Files, Notices, Tray},
    my_turn,
    process::{Running, find_within, text},
    program::app_binary,
    rows, tool, wait_for,
};
use std::{fs, process::Stdio, time::Duration};

const SECOND: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(20);

/// The words of the tray's menu, those that cannot be clicked on in parentheses.
fn menu(tray: &Tray) -> Vec<String> {
    let words = |entry: spool_tests::desk::Entry| match entry.is_enabled {
        true => entry.label,
        false => format!("({})", entry.label),
    };
    tray.menu().into_iter().map(words).collect()
}

#[track_caller]
fn wait_for_menu(tray: &Tray, expected: &[&str]) {
    let found = find_within(LIMIT, || (menu(tray) == expected).then_some(()));
    assert!(found.is_some(), "the menu is {:?}", menu(tray));
}

/// The icon's picture, once it is none of these.
#[track_caller]
fn icon_other_than(tray: &Tray, others: &[&Vec<u8>]) -> Vec<u8> {
    // It is another file each time, and the last one is gone at once.
    wait_for("another icon", LIMIT, || fs::read(tray.icon()).ok().filter(|icon| !others.contains(&icon)))
}

#[test]
fn the_tray_says_what_the_engine_does_and_drives_it() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    let tray = Tray::start(&desktop.sound.bus());
    let mut app = desktop.start_app(&["--hidden"]);
    wait_for_menu(&tray, &["Start recording", "(Pause)", "Open Spool", "Quit"]);
    let idle = icon_other_than(&tray, &[]);
    tray.click("Start recording");
    desktop.wait_until("recording");
    let running = ["Stop recording", "Pause", "Open Spool", "Stop recording and quit"];
    wait_for_menu(&tray, &running);
    let recording = icon_other_than(&tray, &[&idle]);
    tray.click("Pause");
    desktop.wait_until("paused");
    wait_for_menu(&tray, &["Stop recording", "Go on", "Open Spool", "Stop recording and quit"]);
    let paused = icon_other_than(&tray, &[&idle, &recording]);
    tray.click("Go on");
    desktop.wait_until("recording");
    wait_for_menu(&tray, &running);
    assert!(icon_other_than(&tray, &[&paused]) == recording);
    tray.click("Open Spool");
    desktop.wait_for_window("Spool");
    // Somebody chose another language elsewhere.
    desktop.spool.run(["config", "language=de"]).ok();
    wait_for_menu(&tray, &["Aufnahme beenden", "Pause", "Spool öffnen", "Aufnahme und Spool beenden"]);
    tray.click("Aufnahme und Spool beenden");
    wait_for("the app's end", LIMIT, || (!app.is_alive()).then_some(()));
    let list = desktop.spool.json(&["list"]);
    assert_eq!((rows(&list).len(), &rows(&list)[0]["state"]), (1, &json!("finalized")), "{list}");
}

#[test]
fn what_nobody_sees_is_told_and_not_twice() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    let notices = Notices::start(&desktop.sound.bus());
    let microphone = desktop.spool.device("microphone", "Microphone");
    desktop.spool.run(["config", &format!("mic={microphone}")]).ok();
    let _app = desktop.start_app(&["--hidden"]);
    let told = |title: &str| notices.all().iter().filter(|notice| notice.title == title).count();
    desktop.record_by_key();
    wait_for("word of the silence", LIMIT, || (told("Nothing to be heard") == 1).then_some(()));
    let is_lost = || {
        let status = desktop.spool.json(&["status"]);
        rows(&status["tracks"]).iter().any(|track| track["trouble"].is_string())
    };
    // A plug that is loose.
    for _ in 0..3 {
        desktop.sound.remove_microphone();
        wait_for("the loss", LIMIT, || is_lost().then_some(()));
        desktop.sound.add_microphone();
        wait_for("the return", LIMIT, || (!is_lost()).then_some(()));
    }
    desktop.spool.signal_engine(Signal::KILL);
    let rescued = "A recording was cut off and has been recovered";
    wait_for("word of the rescue", LIMIT, || (told(rescued) == 1).then_some(()));
    desktop.record_by_key();
    desktop.press("ctrl+shift+r");
    wait_for("word of the end", LIMIT, || (told("The recording is saved") == 1).then_some(()));
    // What does not work by key is told too: a disk without room.
    desktop.spool.run(["config", "disk-reserve=900TB"]).ok();
    desktop.press("ctrl+shift+r");
    wait_for("word of the refusal", LIMIT, || (told("That did not work") == 1).then_some(()));
    let all = notices.all();
    assert_eq!(told("A source is gone"), 1, "{all:?}");
    assert_eq!(told("Nothing to be heard"), 1, "{all:?}");
    assert_eq!(all.len(), 5, "{all:?}");
}

#[test]
fn keys_that_a_wayland_desktop_gives_out_record() {
    let _turn = my_turn();
    let mut desktop = Wayland::start(&[(1280, 720)]);
    let keys = desktop.give_keys();
    let spool = for_app(Spool::new().on_wayland(&desktop), "wayland");
    let app = App::open(&spool, app_binary(), &[]);
    let shown = app.window.until(
        "(async () => { const { hotkeys, session } = await window.__TAURI_INTERNALS__.invoke('about'); \
         return session === 'wayland' && hotkeys.length > 0 && hotkeys.every(({ state }) => state === 'active') && hotkeys; })()",
    );
    let bound = keys.bound();
    assert_eq!(bound.len(), 4, "{bound:?}");
    assert!(bound.contains(&("record".to_owned(), "CTRL+SHIFT+r".to_owned())), "{bound:?}");
    // In the words of the desktop, which may give others than were wished for.
    assert!(rows(&shown).iter().any(|key| key["keys"] == "CTRL+SHIFT+r"), "{shown}");
    keys.press("record");
    wait_until(&spool, "recording");
    keys.press("pause");
    wait_until(&spool, "paused");
    keys.press("pause");
    wait_until(&spool, "recording");
    keys.press("mark");
    let marks = || spool.json(&["show", "last"])["marks"].as_array().map_or(0, Vec::len);
    wait_for("a mark", LIMIT, || (marks() == 1).then_some(()));
    keys.press("record");
    wait_until(&spool, "idle");
    assert_eq!(rows(&spool.json(&["list"])).len(), 1);
}

#[test]
fn a_desktop_without_keys_is_told_what_to_bind_by_hand() {
    let _turn = my_turn();
    let desktop = Wayland::start(&[(1280, 720)]);
    let spool = for_app(Spool::new().on_wayland(&desktop), "wayland");
    spool.run(["config", "first-run=off"]).ok();
    let app = App::open(&spool, app_binary(), &[]);
    let keys = app.keys();
    for key in rows(&keys) {
        assert_eq!(key["state"], "unavailable", "{keys}");
        assert!(key["advice"].as_str().unwrap_or_default().contains("spool "), "{keys}");
    }
    assert_eq!(rows(&keys).len(), 4, "{keys}");
    // By hand it works, whatever the desktop's own settings call it.
    app.window.evaluate("location.hash = '#/settings'");
    app.window.until("document.body.innerText.includes('spool pause')");
}

/// Starts the app where it runs already: the second hands over what it was told, and ends.
#[track_caller]
fn start_again(desktop: &Desktop, words: &[&str]) {
    let mut second = desktop.start_app(words);
    let gone = find_within(LIMIT, || (!second.is_alive()).then_some(()));
    assert!(gone.is_some(), "nobody took it over: {}", desktop.app_log());
}

#[track_caller]
fn wait_until(spool: &Spool, activity: &str) {
    wait_for(&format!("{activity}\n{}", log(spool)), LIMIT, || {
        (spool.json(&["status"])["activity"] == activity).then_some(())
    });
}

#[test]
fn it_starts_hidden_with_the_desktop_where_people_want_that() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    let app = desktop.start_app(&["--hidden"]);
    let entry = desktop.sound.runtime().join("config/autostart/spool-app.desktop");
    desktop.spool.run(["config", "autostart=on"]).ok();
    wait_for("the entry", LIMIT, || entry.exists().then_some(()));
    drop(app);
    // As a desktop does that reads it.
    let mut launch = tool("gio");
    desktop.spool.dress(launch.arg("launch").arg(&entry).stdout(Stdio::null()).stderr(Stdio::null()));
    let _launched = Running::start(&mut launch);
    wait_for("the app", LIMIT, || (desktop.app_processes().0.len() == 1).then_some(()));
    desktop.record_by_key();
    assert_eq!(desktop.app_processes().1, Vec::<u32>::new(), "nothing draws pages");
    desktop.spool.run(["config", "autostart="]).ok();
    wait_for("the entry's end", LIMIT, || (!entry.exists()).then_some(()));
}

#[test]
fn links_show_and_do_nothing_else() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    let notices = Notices::start(&desktop.sound.bus());
    desktop.spool.run(["config", "first-run=off"]).ok();
    let id = desktop.spool.record(["--synthetic", "--for", "1s"]).finished().recording;
    let app = desktop.open(&[]);
    let follow = |words: &[&str]| start_again(&desktop, words);
    let is_at = |place: &str| app.window.until(&format!("location.hash === '{place}'"));
    follow(&["spool://library"]);
    is_at("#/library");
    follow(&["--hidden", &format!("spool://recording/{id}")]);
    is_at(&format!("#/player/{id}"));
    follow(&["spool:record"]);
    is_at("#/record");
    follow(&["spool://settings/"]);
    is_at("#/settings");
    for hostile in ["spool://stop", "spool://recording/../../etc", "spool://recording/';location='//x';'"] {
        follow(&[hostile]);
    }
    follow(&["--data", "/"]);
    let titles = || notices.all().into_iter().map(|notice| notice.title).collect::<Vec<_>>();
    wait_for("words", LIMIT, || (titles() == ["A link was refused", "Spool runs already"]).then_some(()));
    assert_eq!(app.window.evaluate("location.hash"), "#/settings");
    assert_eq!(desktop.app_processes().0.len(), 1, "one app runs");
}

#[test]
fn a_window_comes_back_where_it_was() {
    let _turn = my_turn();
    let display = Display::start(1600, 1000);
    let desktop = Desktop::start(&display);
    let mut app = desktop.start_app(&[]);
    let place = || wait_for("the window", LIMIT, || desktop.window("^Spool$"));
    let (id, _) = place();
    desktop.xdotool(&["windowsize", "--sync", &id.to_string(), "900", "640"]);
    desktop.xdotool(&["windowmove", "--sync", &id.to_string(), "210", "130"]);
    let mut before = place().1;
    assert_eq!(before[2..], [900, 640]);
    for round in 0..3 {
        if round == 2 {
            // Also in another run.
            drop(app);
            app = desktop.start_app(&[]);
        } else {
            desktop.press("alt+F4");
            wait_for("its end", LIMIT, || desktop.window("^Spool$").is_none().then_some(()));
            start_again(&desktop, &[]);
        }
        let mut seen = [0; 4];
        let found = find_within(LIMIT, || {
            seen = place().1;
            (seen == before).then_some(())
        });
        assert!(found.is_some(), "round {round}: it is at {seen:?}, not {before:?}");
        before = seen;
    }
    assert!(app.is_alive());
}

#[test]
fn others_change_the_library_and_settings_and_the_window_follows() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    let spool = &desktop.spool;
    spool.run(["config", "first-run=off"]).ok();
    let ids = ["first", "second"]
        .map(|title| spool.record(["--synthetic", "--for", "1s", "--title", title]).finished().recording);
    let app = desktop.open(&["spool://library"]);
    let says = |words: &str| format!("document.body.innerText.includes('{words}')");
    app.window.until(&format!("{} && {}", says("first"), says("second")));
    spool.run(["rename", &ids[0], "--title", "renamed"]).ok();
    app.window.until(&says("renamed"));
    spool.run(["trash", &ids[1]]).ok();
    app.window.until(&format!("!{}", says("second")));
    spool.run(["restore", &ids[1]]).ok();
    app.window.until(&says("second"));
    spool.run(["delete", &ids[1]]).ok();
    app.window.until(&format!("!{}", says("second")));
    spool.record(["--synthetic", "--for", "1s", "--title", "third"]).finished();
    app.window.until(&says("third"));
    spool.run(["config", "theme=dark"]).ok();
    app.window.until("document.documentElement.dataset.theme === 'dark'");
    spool.run(["config", "language=de"]).ok();
    app.window.until("document.documentElement.lang === 'de'");
    app.keys();
    spool.run(["config", "hotkey-record=Ctrl+Shift+F9"]).ok();
    app.window.until(
        "window.__TAURI_INTERNALS__.invoke('about').then(({ hotkeys }) => \
         hotkeys.some(({ keys, state }) => keys === 'Ctrl+Shift+F9' && state === 'active'))",
    );
    desktop.press("ctrl+shift+F9");
    desktop.wait_until("recording");
}

#[test]
fn keys_mark_and_draw() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    let notices = Notices::start(&desktop.sound.bus());
    desktop.spool.run(["config", "first-run=off"]).ok();
    let app = desktop.open(&["spool://library"]);
    desktop.record_in(&app);
    wait_for("a second", LIMIT, || (desktop.spool.elapsed() > 1.0).then_some(()));
    desktop.press("ctrl+shift+m");
    let marks = || desktop.spool.json(&["show", "last"])["marks"].as_array().cloned().unwrap_or_default();
    let mark = wait_for("a mark", LIMIT, || marks().pop());
    assert!(mark["at_ms"].as_f64().unwrap() >= 1_000.0, "{mark}");
    let tools = "!!document.querySelector('[role=toolbar][aria-label=\"Drawing tools\"]')";
    desktop.press("ctrl+shift+a");
    app.window.until(tools);
    desktop.press("ctrl+shift+a");
    app.window.until(&format!("!{tools}"));
    desktop.press("ctrl+shift+a");
    app.window.until(tools);
    desktop.spool.run(["stop"]).ok();
    app.window.until("document.body.innerText.includes('Saved')");
    app.window.until(&format!("!{tools}"));
    // Who looks at the window is told there.
    assert_eq!(notices.all(), []);
}

#[test]
fn the_small_window_floats_and_its_buttons_work() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    let app = desktop.open(&[]);
    desktop.record_in(&app);
    assert_eq!(app.invoke("about")["hides_controller"], false, "no X server leaves a window out");
    app.invoke_with("show_controller", &json!({ "visible": true }));
    let place = || wait_for("the small window", LIMIT, || desktop.window("^Spool controls$"));
    let (id, [x, y, width, height]) = place();
    assert_eq!([width, height], [320, 56]);
    // In the lower right corner, until somebody drags it elsewhere.
    assert!(x > 640 && x + width < 1280 && y > 600 && y + height < 800, "{x}, {y}");
    desktop.xdotool(&["windowmove", "--sync", &id.to_string(), "300", "200"]);
    app.invoke_with("show_controller", &json!({ "visible": false }));
    wait_for("its end", LIMIT, || desktop.window("^Spool controls$").is_none().then_some(()));
    app.invoke_with("show_controller", &json!({ "visible": true }));
    let back = find_within(LIMIT, || (place().1[..2] == [300, 200]).then_some(()));
    assert!(back.is_some(), "it is at {:?}", place().1);
    let click = |x: i32| {
        let (x, y) = ((300 + x).to_string(), (200 + 28).to_string());
        desktop.xdotool(&["mousemove", &x, &y, "click", "1"]);
    };
    let (mark, pause, stop) = (197, 233, 270);
    wait_for("a pause", LIMIT, || {
        // Its page may not have come yet.
        click(pause);
        find_within(SECOND, || (desktop.spool.json(&["status"])["activity"] == "paused").then_some(()))
    });
    click(pause);
    desktop.wait_until("recording");
    click(mark);
    let marks = || desktop.spool.json(&["show", "last"])["marks"].as_array().map_or(0, Vec::len);
    wait_for("a mark", LIMIT, || (marks() > 0).then_some(()));
    click(stop);
    desktop.wait_until("idle");
    // Closing it leaves the app as it is.
    click(302);
    wait_for("its end", LIMIT, || desktop.window("^Spool controls$").is_none().then_some(()));
    assert_eq!(app.invoke("about")["session"], "x11");
}

#[test]
fn files_are_shown_words_copied_and_exports_called_off() {
    let _turn = my_turn();
    let display = Display::start(1280, 800);
    let desktop = Desktop::start(&display);
    let files = Files::start(&desktop.sound.bus());
    let id = desktop.spool.record(["--synthetic", "--for", "8s"]).finished().recording;
    let app = desktop.open(&[]);
    let file = desktop.spool.export(&id, "with space.mp4");
    app.invoke_with("reveal", &json!({ "path": file }));
    let shown = files.shown();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(shown[0].starts_with("file:///") && shown[0].ends_with("/with%20space.mp4"), "{shown:?}");

    let words = "Grüße: 1 < 2";
    app.invoke_with("copy_text", &json!({ "text": words }));
    let mut paste = tool("xclip");
    desktop.spool.dress(paste.args(["-o", "-selection", "clipboard", "-t", "UTF8_STRING"]));
    assert_eq!(text(&mut paste), words);

    let output = desktop.spool.file("cancelled.webm");
    let plan = json!({ "id": id, "output": output, "codec": "vp9" });
    app.window.evaluate(&format!(
        "(window.__TAURI_INTERNALS__.invoke('plugin:event|listen', {{ event: 'engine', target: {{ kind: 'Any' }}, \
         handler: window.__TAURI_INTERNALS__.transformCallback(({{ payload }}) => \
         window.share = payload.progress?.share ?? window.share) }}), \
         window.__TAURI_INTERNALS__.invoke('ask', {{ command: {{ export: {plan} }} }})\
         .then(() => window.end = 'done', ({{ code }}) => window.end = code), true)"
    ));
    app.window.until("window.share > 0");
    app.invoke_with("cancel_export", &json!({ "output": output }));
    assert_eq!(app.window.until("window.end"), "cancelled");
    let left = || {
        let all = fs::read_dir(output.parent().expect("it lies in a folder")).expect("it can be read");
        let names = all.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.contains("cancelled")).collect::<Vec<_>>()
    };
    wait_for("nothing to be left", LIMIT, || left().is_empty().then_some(()));
}
