//! What is recorded or could be, as it is seen before and meanwhile.

use model::Rect;
use rustix::process::Signal;
use serde_json::{Value, json};
use spool_tests::{
    Camera, CameraState, CodeShow, Display, Film, Shell, Sound, Spool, Window,
    camera::code_area,
    codes::{assert_in_order, host_time, without_repeats},
    film, my_turn, rows, wait_for, window,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);
/// The part of the screen that shows codes and that no camera hides.
const CODES: (i16, i16, u16, u16) = (320, 0, 640, 360);
const SCREEN: Rect = Rect { x: 320, y: 0, width: 640, height: 360 };
/// Where a camera is seen on a canvas of 1280 by 720: round, in a corner.
const BOTTOM_RIGHT: Rect = Rect { x: 1078, y: 518, width: 180, height: 180 };
const TOP_LEFT: Rect = Rect { x: 22, y: 22, width: 180, height: 180 };

fn plan(screen: &str, camera: &str, microphone: &str, system_audio: &str) -> Value {
    json!({
        "title": "", "description": "", "metadata": {}, "mode": "program", "layout": null, "keys": false,
        "screen": screen, "camera": camera, "camera_format": null,
        "microphone": microphone, "system_audio": system_audio,
        "quality": { "width": 1280, "height": 720, "bitrate": 2_500_000 },
        "fps": 30, "chunk_ms": 4000, "synthetic": false, "stop_after_ms": null,
    })
}

/// FFmpeg 5.1 overlooks the end of a JPEG in which no byte needs an escape, and complains. A second one does no harm.
fn for_ffmpeg(mut picture: Vec<u8>) -> Vec<u8> {
    assert!(picture.starts_with(&[0xFF, 0xD8]) && picture.ends_with(&[0xFF, 0xD9]), "this is no whole JPEG");
    picture.extend([0xFF, 0xD9]);
    picture
}

/// Pictures that a shell saw, as a film for FFmpeg.
struct Looked {
    pictures: Vec<u8>,
    /// When each came, in nanoseconds of the steady clock.
    times: Vec<i64>,
    number: u64,
}

impl Looked {
    /// At `count` pictures, each newer than the one before.
    #[track_caller]
    fn at(shell: &mut Shell, width: u32, count: usize, after: u64) -> Self {
        let mut looked = Self { pictures: Vec::new(), times: Vec::new(), number: after };
        while looked.times.len() < count {
            // A screen that stands still shows nothing new for a while.
            let Some((number, picture)) = shell.look(width, looked.number) else { continue };
            looked.times.push(host_time());
            looked.pictures.extend(for_ffmpeg(picture));
            looked.number = number;
        }
        looked
    }

    fn save(&self, spool: &Spool, name: &str) -> PathBuf {
        let file = spool.file(name);
        fs::write(&file, &self.pictures).expect("there is room for a file");
        file
    }
}

/// Where the code of a camera lies of whose picture the middle is seen in this circle.
fn code_in_circle(circle: Rect, (width, height): (u32, u32)) -> Rect {
    let whole = f64::from(circle.width * width) / f64::from(height);
    let left = f64::from(circle.x) - (whole - f64::from(circle.width)) / 2.0;
    let (x, y, across, down) = code_area(width, height);
    Rect::new(
        (left + x * whole).round() as i32,
        circle.y + (y * f64::from(circle.height)).round() as i32,
        (across * whole).round() as u32,
        (down * f64::from(circle.height)).round() as u32,
    )
}

fn camera_codes(file: &Path, circle: Rect) -> usize {
    Film::decode_mirrored(file, code_in_circle(circle, (1280, 720))).codes().len()
}

#[test]
fn what_is_recorded_is_seen_in_order_and_looking_loses_nothing() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    let show = CodeShow::start(&display, CODES, 10);
    let spool = Spool::new().on(&display);
    let mut recorder = spool.record(["--no-mic", "--fps", "30"]);
    recorder.elapsed(SECOND);
    let mut shell = spool.shell();
    let looked = Looked::at(&mut shell, 640, 40, 0);
    let file = spool.file("now.jpg");
    spool.run(["look", "-o", file.to_str().unwrap(), "--width", "320"]).ok();
    fs::write(&file, for_ffmpeg(fs::read(&file).unwrap())).unwrap();
    assert_eq!(film::size(&file), (640, 360), "one picture serves all, as wide as the widest");
    recorder.goes_on(&spool, SECOND);
    recorder.signal(Signal::TERM);
    let finished = recorder.finished();

    let half = Rect { x: SCREEN.x / 2, y: 0, width: SCREEN.width / 2, height: SCREEN.height / 2 };
    let codes = Film::decode_part(&looked.save(&spool, "looked.mjpeg"), half).codes();
    assert!(codes.len() >= 36, "only {} codes can be read", codes.len());
    assert!(codes.windows(2).all(|pair| pair[0].1 <= pair[1].1), "out of order: {codes:?}");
    let different = without_repeats(codes.clone()).len();
    assert!(different > 20, "{different} different codes in {} pictures", codes.len());
    let last = show.find(codes[codes.len() - 1].1).unwrap().after;
    let age = (looked.times[looked.times.len() - 1] - last) as f64 / 1e9;
    assert!(age < 1.0, "the last picture was {age} s old");
    // What was recorded meanwhile is whole.
    let film = Film::decode_part(&spool.export(&finished.recording, "all.mp4"), SCREEN);
    assert_in_order(&without_repeats(film.codes()), show.brief(Duration::from_millis(40)));
    assert_eq!(finished.frames("dropped"), 0);
}

#[test]
fn a_rehearsed_camera_is_where_it_is_put_and_is_recorded_at_once() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    let camera = Camera::plug_in().with_formats(&["NV12"]);
    let spool = Spool::new().on(&display).seeing(&[&camera]);
    let mut shell = spool.shell();
    let glance = json!({ "glance": { "device": spool.device("camera", ""), "width": 640 } });
    let wanted = plan("default", "default", "off", "off");
    shell.ask(&json!({ "rehearse": wanted })).unwrap();
    let here = Looked::at(&mut shell, 1280, 10, 0);
    spool.run(["layout", "camera-place=top-left"]).ok();
    // One may have been drawn before.
    let moved = Looked::at(&mut shell, 1280, 1, here.number);
    let there = Looked::at(&mut shell, 1280, 10, moved.number);
    assert_eq!(shell.ask(&glance).unwrap_err(), "device_in_use");

    let starts = |camera: &Camera| camera.journal().iter().filter(|line| line.starts_with("start")).count();
    shell.ask(&json!({ "begin": wanted })).unwrap();
    wait_for("two seconds of recording", 20 * SECOND, || (spool.elapsed() > 2.0).then_some(()));
    let recorded = Looked::at(&mut shell, 1280, 3, there.number);
    let finished = shell.ask(&json!("stop")).unwrap().reply["finished"].take();
    assert_eq!(camera_codes(&recorded.save(&spool, "recorded.mjpeg"), BOTTOM_RIGHT), 3);
    assert_eq!(starts(&camera), 1, "the session goes on with the camera that is open");
    for (looked, shown, empty) in [(&here, BOTTOM_RIGHT, TOP_LEFT), (&there, TOP_LEFT, BOTTOM_RIGHT)] {
        let file = looked.save(&spool, "camera.mjpeg");
        let (seen, elsewhere) = (camera_codes(&file, shown), camera_codes(&file, empty));
        assert!(seen >= 8 && elsewhere == 0, "{seen} codes where the camera is, {elsewhere} where it is not");
    }
    let file = spool.export(finished["recording"].as_str().unwrap(), "all.mp4");
    let codes = Film::decode_mirrored(&file, code_in_circle(BOTTOM_RIGHT, (1280, 720))).codes();
    assert!(codes[0].0 < 0.2, "the camera is seen from {} s on", codes[0].0);
    assert!(codes.len() > 20, "only {} codes of the camera", codes.len());
    // A camera that is unplugged meanwhile is told.
    let mut other = wanted.clone();
    shell.ask(&json!({ "rehearse": other })).unwrap();
    let mut trouble = |is_there: bool| {
        // It ends where nobody looks.
        shell.look(640, 0);
        let status = spool.json(&["status"]);
        let found = rows(&status["tracks"]).iter().any(|track| !track["trouble"].is_null());
        (found == is_there).then_some(())
    };
    camera.set(CameraState::Gone);
    wait_for("the loss of the camera", 20 * SECOND, || trouble(true));
    camera.set(CameraState::There);
    wait_for("the camera's return", 20 * SECOND, || trouble(false));
    let before = starts(&camera);
    // And with another format it is closed before it is opened.
    other["camera_format"] = json!("640x480@30");
    shell.ask(&json!({ "begin": other })).unwrap();
    shell.ask(&json!("stop")).unwrap();
    assert_eq!(starts(&camera), before + 1);
}

#[test]
fn a_rehearsal_is_heard_writes_nothing_and_ends_when_nobody_looks() {
    let _turn = my_turn();
    let sound = Sound::start();
    let spool = Spool::new().hearing(&sound);
    let mut shell = spool.shell();
    let before = fs::read_dir(spool.data().join("sessions")).map_or(0, Iterator::count);
    shell.ask(&json!({ "rehearse": plan("off", "off", "default", "default") })).unwrap();
    let peak = |spool: &Spool, track: &str| {
        let status = spool.json(&["status"]);
        assert_eq!(status["activity"], "rehearsing", "{status}");
        let track = rows(&status["tracks"]).iter().find(|one| one["track"] == track);
        track.and_then(|track| track["peak_db"].as_f64())
    };
    let mut loud = |track: &str| {
        wait_for(&format!("a level of {track}"), 20 * SECOND, || {
            // Looking at a rehearsal of sound alone keeps it, too.
            assert_eq!(shell.look(640, 0), None);
            peak(&spool, track).filter(|peak| *peak > -30.0)
        })
    };
    let tone = sound.play("micfeed", 440);
    loud("mic");
    drop(tone);
    let _tone = sound.play("speakers", 440);
    loud("system");
    wait_for("the end of the rehearsal", 20 * SECOND, || {
        (spool.json(&["status"])["activity"] == "idle").then_some(())
    });
    assert_eq!(fs::read_dir(spool.data().join("sessions")).map_or(0, Iterator::count), before);
    assert_eq!(rows(&spool.json(&["list"])).len(), 0);
    let mut refused = |command: Value| shell.ask(&command).unwrap_err();
    assert_eq!(refused(json!({ "look": { "width": 640, "after": 0 } })), "not_recording");
    assert_eq!(refused(json!({ "look": { "width": 0, "after": 0 } })), "invalid");
    assert_eq!(refused(json!({ "look": { "width": 4_000_000_000_u32, "after": 0 } })), "invalid");
    spool.run(["look", "-o", "/dev/null"]).refused(1, "nothing is being recorded");
}

#[test]
fn a_glance_shows_windows_and_cameras_before_they_are_chosen() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    let _manager = window::manage(&display);
    let window = Window::open(&display, "Blue", (100, 100, 400, 300));
    window.fill(0x20_60_C0);
    let camera = Camera::plug_in().with_formats(&["NV12"]);
    let spool = Spool::new().on(&display).seeing(&[&camera]);
    let mut shell = spool.shell();
    let (blue, seen) = (spool.device("window", "Blue"), spool.device("camera", ""));
    let mut glance =
        |device: &str, width: u32| shell.ask(&json!({ "glance": { "device": device, "width": width } }));
    let file = spool.file("glance.jpg");
    fs::write(&file, for_ffmpeg(glance(&blue, 200).unwrap().bytes)).unwrap();
    assert_eq!(film::size(&file), (200, 150));
    let color = film::color(&file, 1.0, Rect::new(50, 40, 100, 60));
    let near = color.iter().zip([0x20, 0x60, 0xC0]).all(|(one, other): (&u8, u8)| one.abs_diff(other) < 8);
    assert!(near, "the window is {color:?}");
    fs::write(&file, for_ffmpeg(glance(&seen, 640).unwrap().bytes)).unwrap();
    assert_eq!(film::size(&file), (640, 360));
    let (x, y, across, down) = code_area(1280, 720);
    let code = Rect::new(
        (x * 640.0) as i32,
        (y * 360.0) as i32,
        (across * 640.0).round() as u32,
        (down * 360.0).round() as u32,
    );
    assert_eq!(Film::decode_part(&file, code).codes().len(), 1, "no code in the camera's picture");
    assert_eq!(camera.journal().last().map(String::as_str), Some("close"));
    assert_eq!(glance("x11:window:0xdead", 200).unwrap_err(), "capture");
    assert_eq!(glance(&blue, 0).unwrap_err(), "invalid");
    assert_eq!(glance(&blue, u32::MAX).unwrap_err(), "invalid");

    let folder = spool.file("pictures");
    spool.run(["devices", "--pictures", folder.to_str().unwrap()]).ok();
    let pictures = fs::read_dir(&folder).unwrap().count();
    assert!(pictures >= 3, "only {pictures} pictures of a screen, a window and a camera");
}
