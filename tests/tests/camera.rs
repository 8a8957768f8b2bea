//! A camera over the screen, and alone, read back from the pictures that it is part of.

use model::Rect;
use rustix::process::Signal;
use spool_tests::{
    Camera, CameraState, CodeShow, Display, Film, Finished, Spool,
    camera::code_area,
    codes::{assert_in_order, assert_in_time, assert_on_time, without_repeats},
    film, gaps, my_turn, rows,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(30);
/// Where a camera is seen without a choice, on a canvas of 1280 by 720: round, bottom right.
const CIRCLE: Rect = Rect { x: 1078, y: 518, width: 180, height: 180 };
/// The part of the screen that shows codes and that no camera hides.
const CODES: (i16, i16, u16, u16) = (320, 0, 640, 360);
const SCREEN: Rect = Rect { x: 320, y: 0, width: 640, height: 360 };

/// Where the code of a camera lies whose picture of this size is seen at `place`.
fn code_in(place: Rect, (width, height): (u32, u32)) -> Rect {
    let (x, y, across, down) = code_area(width, height);
    let (left, top) = (x * f64::from(place.width), y * f64::from(place.height));
    let (across, down) = (across * f64::from(place.width), down * f64::from(place.height));
    Rect::new(
        place.x + left.round() as i32,
        place.y + top.round() as i32,
        across.round() as u32,
        down.round() as u32,
    )
}

/// The same where only the middle of the picture is seen, in a circle.
fn code_in_circle(circle: Rect, (width, height): (u32, u32)) -> Rect {
    let whole_width = circle.width * width / height;
    let left = circle.x - (whole_width - circle.width).cast_signed() / 2;
    code_in(Rect { x: left, width: whole_width, ..circle }, (width, height))
}

/// Fails the test unless the camera's codes came in order at the time at which they were taken, at 30 a second and
/// `dropped` fewer. Gives the instant at which the file begins, in nanoseconds of the steady clock.
#[track_caller]
fn assert_camera(codes: &[(f64, u32)], camera: &Camera, dropped: u64) -> f64 {
    assert_in_order(codes, dropped);
    assert_in_time(codes, |code| [camera.taken(code, (30, 1)); 2], 0.08, dropped)
}

#[test]
fn a_camera_is_seen_over_the_screen_in_every_format() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    let show = CodeShow::start(&display, CODES, 15);
    for (format, wanted, size) in [
        ("NV12", "1280x720@30", (1280, 720)),
        ("MJPG", "1280x720@30", (1280, 720)),
        ("BARE", "640x480@30", (640, 480)),
        ("YUYV", "640x480@30", (640, 480)),
    ] {
        let camera = Camera::plug_in().with_formats(&[format]);
        let spool = Spool::new().on(&display).seeing(&[&camera]);
        let arguments = ["--for", "4s", "--no-mic", "--camera", "--camera-format", wanted];
        let finished = spool.record(arguments).finished();
        let file = spool.export(&finished.recording, "all.mp4");
        assert_eq!(film::size(&file), (1280, 720));

        // As in a mirror, if nobody says otherwise.
        let codes = without_repeats(Film::decode_mirrored(&file, code_in_circle(CIRCLE, size)).codes());
        assert!(codes.len() > 60, "{format}: only {} codes of the camera", codes.len());
        let seen = assert_camera(&codes, &camera, finished.frames("dropped"));
        let codes = without_repeats(Film::decode_part(&file, SCREEN).codes());
        assert_in_order(&codes, finished.frames("dropped"));
        let shown = assert_on_time(&codes, &show, 0.08, finished.frames("dropped"));
        let apart = (seen - shown) / 1e6;
        assert!(apart.abs() < 80.0, "{format}: camera and screen are {apart} ms apart");

        // What is left of the camera is on the right of a mirror, and the corners are the screen's.
        let side = |x: i32| film::color(&file, 3.0, Rect::new(CIRCLE.x + x, CIRCLE.y + 82, 10, 16));
        let ([blue, red], corner) = ([side(12), side(158)], Rect::new(CIRCLE.x + 2, CIRCLE.y + 2, 12, 12));
        let near = |color: [u8; 3], wanted: [u8; 3]| {
            color.iter().zip(wanted).all(|(one, other)| one.abs_diff(other) <= 14)
        };
        assert!(near(blue, [40, 60, 180]) && near(red, [180, 40, 40]), "{format}: {blue:?} and {red:?}");
        assert!(near(film::color(&file, 3.0, corner), [0; 3]), "{format}: the corners are not the screen's");
        assert!(
            camera.journal().ends_with(&["stop".to_owned(), "close".to_owned()]),
            "{:?}",
            camera.journal()
        );
    }
}

#[test]
fn a_camera_alone_keeps_its_odd_rate() {
    let _turn = my_turn();
    let camera = Camera::plug_in().with_rates(&[(30000, 1001), (15, 1)]);
    let spool = Spool::new().seeing(&[&camera]);
    let devices = spool.json(&["devices"]);
    let listed = rows(&devices).iter().filter(|device| device["kind"] == "camera");
    assert_eq!(listed.count(), 1, "the node for metadata is no camera: {devices}");
    let id = spool.device("camera", "Fake camera");
    let arguments =
        ["--for", "5s", "--no-mic", "--no-screen", "--camera", &id, "--camera-format", "1280x720@29.97"];
    let finished = spool.record(arguments).finished();
    let file = spool.export(&finished.recording, "camera.mp4");
    assert_eq!(film::size(&file), (1280, 720));
    let place = code_in(Rect::new(0, 0, 1280, 720), (1280, 720));
    let codes = without_repeats(Film::decode_mirrored(&file, place).codes());
    assert_in_order(&codes, finished.frames("dropped"));
    assert_in_time(&codes, |code| [camera.taken(code, (30000, 1001)); 2], 0.01, 0);
    let ((first, start), (last, end)) = (codes[0], codes[codes.len() - 1]);
    let rate = f64::from(end - start) / (last - first);
    assert!((rate * 1001.0 / 30000.0 - 1.0).abs() < 0.002, "{rate} pictures a second instead of 29.97");
    assert!(last - first > 4.0, "{codes:?}");
}

#[test]
fn the_camera_goes_where_it_is_put_while_recording() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    let _show = CodeShow::start(&display, CODES, 15);
    let camera = Camera::plug_in();
    let spool = Spool::new().on(&display).seeing(&[&camera]);
    let mut recorder = spool.record(["--no-mic", "--camera", "--camera-format", "1280x720@30"]);
    recorder.elapsed(2 * SECOND);
    spool.run(["layout", "camera-place=top-left"]).ok();
    let moved = spool.elapsed();
    recorder.goes_on(&spool, 2 * SECOND);
    spool.run(["layout", "camera-shape=rectangle", "camera-mirror=off", "camera-size=50%"]).ok();
    let reshaped = spool.elapsed();
    recorder.goes_on(&spool, 2 * SECOND);
    recorder.signal(Signal::TERM);
    let finished = recorder.finished();
    let file = spool.export(&finished.recording, "moved.mp4");

    let top_left = Rect { x: 22, y: 22, ..CIRCLE };
    let half = Rect::new(22, 22, 640, 360);
    let size = (1280, 720);
    let parts = [
        (Film::decode_mirrored(&file, code_in_circle(CIRCLE, size)), 0.5, moved - 0.5),
        (Film::decode_mirrored(&file, code_in_circle(top_left, size)), moved + 0.3, reshaped - 0.5),
        (Film::decode_part(&file, code_in(half, size)), reshaped + 0.3, finished.seconds() - 0.3),
    ];
    for (index, (film, from, to)) in parts.iter().enumerate() {
        let within = |at: f64| (*from..*to).contains(&at);
        let codes = without_repeats(film.codes());
        let there: Vec<_> = codes.iter().copied().filter(|code| within(code.0)).collect();
        assert!(there.len() > 20, "only {} codes at place {index}: {codes:?}", there.len());
        assert_camera(&there, &camera, finished.frames("dropped"));
        let strays = codes.iter().filter(|code| code.0 < from - 1.0 || code.0 > to + 1.0).count();
        assert!(strays <= 2, "it is seen at place {index} at other times too: {codes:?}");
    }
}

#[test]
fn a_camera_that_is_unplugged_comes_back_and_the_rest_goes_on() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    let show = CodeShow::start(&display, CODES, 15);
    let camera = Camera::plug_in();
    let spool = Spool::new().on(&display).seeing(&[&camera]);
    let mut recorder =
        spool.record(["--no-mic", "--mode", "both", "--camera", "--camera-format", "1280x720@30"]);
    recorder.elapsed(3 * SECOND);
    camera.set(CameraState::Gone);
    let lost = recorder.event_where("the loss", 5 * SECOND, |event| event["code"] == "source_lost");
    assert!(lost["message"].as_str().is_some_and(|text| text.contains("Fake camera")), "{lost}");
    let away = spool.elapsed();
    recorder.goes_on(&spool, 2 * SECOND);
    camera.set(CameraState::There);
    recorder.event_where("the return", LIMIT, |event| event["code"] == "source_returned");
    let back = spool.elapsed();
    recorder.goes_on(&spool, 3 * SECOND);
    let finished = Finished::read(spool.json(&["stop"]));

    let details = spool.json(&["show", &finished.recording]);
    let found = gaps(&details, |gap| gap["track"] == "camera" && gap["reason"] == "device_lost");
    assert_eq!(found.len(), 1, "{details}");
    assert!(
        found[0].0 < away && found[0].1 > away + 1.5 && found[0].1 < back + 0.5,
        "{found:?}, {away}..{back}"
    );

    let file = spool.export(&finished.recording, "all.mp4");
    let codes = without_repeats(Film::decode_part(&file, SCREEN).codes());
    assert_in_order(&codes, finished.frames("dropped"));
    assert_on_time(&codes, &show, 0.08, finished.frames("dropped"));
    assert!(codes[codes.len() - 1].0 > finished.seconds() - 0.5, "the screen's pictures end early");
    let codes = without_repeats(Film::decode_mirrored(&file, code_in_circle(CIRCLE, (1280, 720))).codes());
    let (gone, there) = found[0];
    let before: Vec<_> = codes.iter().copied().filter(|code| code.0 < gone + 0.2).collect();
    let after: Vec<_> = codes.iter().copied().filter(|code| code.0 > there - 0.1).collect();
    assert_eq!(before.len() + after.len(), codes.len(), "it is seen while it is away: {codes:?}");
    assert!(before.len() > 40 && after.len() > 40, "{} and {} codes", before.len(), after.len());
    let first = assert_camera(&before, &camera, finished.frames("dropped"));
    let second = assert_camera(&after, &camera, finished.frames("dropped"));
    assert!((first - second).abs() < 0.05e9, "the camera comes back {} ms off", (second - first) / 1e6);
}

#[test]
fn a_camera_that_may_not_be_used_is_said_with_what_to_do() {
    let _turn = my_turn();
    let display = Display::start(640, 360);
    let camera = Camera::plug_in();
    camera.set(CameraState::Denied);
    let spool = Spool::new().on(&display).seeing(&[&camera]);
    spool.run(["record", "--no-mic", "--camera", "--for", "1s"]).refused(1, "may not open /dev/video0");
    assert!(rows(&spool.json(&["list"])).is_empty(), "nothing was begun");
    let said = spool.run(["devices"]).ok().stdout;
    assert!(said.contains("may not open /dev/video0"), "{said}");
    camera.set(CameraState::Busy);
    spool.run(["record", "--no-mic", "--camera", "--for", "1s"]).refused(1, "");
    camera.set(CameraState::There);
    spool.record(["--no-mic", "--camera", "--for", "1s"]).finished();
}

#[test]
fn a_camera_that_freezes_or_stalls_is_told_while_recording() {
    let _turn = my_turn();
    let display = Display::start(640, 360);
    let camera = Camera::plug_in();
    let spool = Spool::new().on(&display).seeing(&[&camera]);
    let mut recorder = spool.record(["--no-mic", "--camera", "--camera-format", "640x480@30"]);
    recorder.elapsed(SECOND);
    camera.set(CameraState::Frozen);
    let alarm = recorder.alarm("frozen", LIMIT);
    assert!(alarm["message"].as_str().is_some_and(|text| text.contains("Fake camera")), "{alarm}");
    let told = || rows(&spool.json(&["status"])["alarms"]).len();
    assert_eq!(told(), 1);
    camera.set(CameraState::There);
    recorder.alarm_ends("frozen", LIMIT);
    assert_eq!(told(), 0);

    camera.set(CameraState::Stalled);
    // Both are told: that it gives nothing, or that it was lost for that.
    let word = recorder.event_where("word of it", LIMIT, |event| {
        event["kind"] == "stalled" && event["raised"] == true || event["code"] == "source_lost"
    });
    assert!(word["message"].as_str().is_some_and(|text| text.contains("Fake camera")), "{word}");
    camera.set(CameraState::There);
    recorder.event_where("word of its return", LIMIT, |event| {
        event["kind"] == "stalled" && event["raised"] == false || event["code"] == "source_returned"
    });
    recorder.signal(Signal::TERM);
    recorder.finished();
}
