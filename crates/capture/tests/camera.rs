//! Cameras, on one that is made up: no machine for tests has a real one, so what programs see here is a fake of the
//! calls to a USB camera, with all that befalls those.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rig;

use clock::HostClock as _;
use model::{Damage, Frame, Matrix, PixelFormat, Size};
use rig::{
    Host, LIMIT, Listener,
    conformance::{self, Subject},
    in_session, track, wait_for,
};
use spool_capture::{
    CaptureError, Format, LostReason, PermissionState, Rate, SourceConfig, SourceEvent, SourceId, SourceInfo,
    SourceKind, native,
};
use stands::{
    Camera, CameraState,
    camera::{code_area, variables},
    codes::{self, Area, host_time},
};
use std::collections::BTreeSet;

const CAMERA: &str = "v4l2:Fake_camera_1__for_tests_@usb-fake-1";

/// Runs `body` where these cameras are seen.
fn with_cameras(name: &str, plug_in: impl FnOnce() -> Vec<Camera>, body: impl FnOnce(&[Camera])) {
    let start = || {
        let cameras = plug_in();
        let variables = variables(&cameras.iter().collect::<Vec<_>>());
        (cameras, variables)
    };
    in_session(name, start, || body(&Camera::seen()));
}

fn with_camera(name: &str, body: impl FnOnce(&Camera)) {
    with_cameras(name, || vec![Camera::plug_in()], |cameras| body(&cameras[0]));
}

fn cameras() -> Vec<SourceInfo> {
    // Neither a display nor a sound server is there.
    native()
        .sources()
        .unwrap_or_default()
        .into_iter()
        .filter(|source| source.kind == SourceKind::Camera)
        .collect()
}

#[test]
fn cameras_conform() {
    let plug_in = || {
        let formats = ["YUYV", "NV12", "MJPG", "BARE"];
        let cameras = formats.iter().zip([0, 2, 4, 6]);
        cameras.map(|(format, number)| Camera::plug_in_at(number).with_formats(&[format])).collect()
    };
    with_cameras("cameras_conform", plug_in, |_| {
        let sources = cameras();
        let ids: Vec<&str> = sources.iter().map(|source| source.id.as_str()).collect();
        assert_eq!((ids.len(), ids[0]), (4, CAMERA), "the nodes for metadata are none");
        assert_eq!(sources.iter().filter(|source| source.is_default).count(), 1);
        assert_eq!(sources[0].name, "Fake camera 1 (for tests)");
        let moving = &[ids[0], ids[1], ids[2], ids[3], "/dev/video0", "v4l2:/dev/video2"];
        let unknown = &["v4l2:", "v4l2:none", "/dev/video1", "/dev/video77", "/dev/videos"];
        conformance::check(&*native(), &Subject { moving, unknown, ..Subject::default() });
    });
}

/// The number that a picture shows.
fn code(frame: &Frame) -> Option<u32> {
    let (picture, Size { width, height }) = (&frame.picture, frame.picture.size);
    codes::read(code_area(width, height), |(x, y, across, down): Area| {
        let range = |from: f64, length: f64, side: u32| {
            (from * f64::from(side)).ceil() as usize..((from + length) * f64::from(side)) as usize
        };
        let columns = range(x, across, width);
        let rows = range(y, down, height).map(|row| &picture.bytes[row * picture.stride..][columns.clone()]);
        let (sum, count) =
            rows.flatten().fold((0, 0), |(sum, count), luma| (sum + u32::from(*luma), count + 1));
        f64::from(sum) / f64::from(count)
    })
}

/// Luma, Cb and Cr in the middle of the left edge and of the right one.
fn edges(frame: &Frame) -> [[u8; 3]; 2] {
    let (picture, Size { width, height }) = (&frame.picture, frame.picture.size);
    let (stride, middle) = (picture.stride, height as usize / 4 * 2);
    [2, width as usize - 4].map(|x| {
        let chroma = (height as usize + middle / 2) * stride + x;
        [picture.bytes[middle * stride + x], picture.bytes[chroma], picture.bytes[chroma + 1]]
    })
}

#[test]
fn every_format_is_read_and_stamped_by_the_camera() {
    with_camera("every_format_is_read_and_stamped_by_the_camera", |camera| {
        let formats = cameras().remove(0).formats;
        let encodings: BTreeSet<_> = formats.iter().map(|format| format.encoding.as_str()).collect();
        assert_eq!(encodings, ["MJPG", "NV12", "YUYV"].into());
        let best = Format {
            size: Size::new(1280, 720),
            rate: Rate { pictures: 30, seconds: 1 },
            encoding: "NV12".to_owned(),
        };
        assert_eq!(formats[0], best);
        let television = Rate { pictures: 30000, seconds: 1001 };
        assert!(formats.iter().any(|format| format.rate == television), "{formats:?}");
        let sizes = [Size::new(1280, 720), Size::new(640, 480)];
        for format in formats.iter().filter(|format| sizes.contains(&format.size)) {
            check_format(camera, format);
        }
    });
}

fn check_format(camera: &Camera, format: &Format) {
    let listener = Listener::new();
    let config = SourceConfig { format: Some(format.clone()), ..SourceConfig::new(30) };
    let capture = native().open(&SourceId::new(CAMERA), &config, listener.sink("source")).unwrap();
    let Rate { pictures, seconds } = format.rate;
    let mut late = Vec::new();
    let mut last = None;
    while late.len() < 8 {
        let frame = listener.picture("source", |_| true);
        assert_eq!((frame.picture.size, &frame.damage), (format.size, &Damage::All));
        let code = code(&frame).unwrap_or_else(|| panic!("{format:?} shows no code"));
        assert!(last.is_none_or(|last| last < code), "{code} after {last:?}");
        last = Some(code);
        late.push(listener.host(frame.at).0 - camera.taken(code, (pictures, seconds)));
        let (matrix, want) = match format.encoding.as_str() {
            "MJPG" => (Matrix::Bt601Full, [[82, 104, 198], [68, 191, 108]]),
            _ => (Matrix::Bt601, [[86, 107, 189], [74, 184, 111]]),
        };
        assert_eq!((frame.picture.format, edges(&frame)), (PixelFormat::Nv12(matrix), want));
    }
    drop(capture);
    let start = format!("start {} {} {pictures}/{seconds}", format.encoding, format.size);
    assert!(camera.journal().contains(&start), "{start} is not in {:?}", camera.journal());
    // A thread that is held up while it reads two clocks is off by that, and it reads them at each picture.
    let ahead = host_ahead();
    let close = late.iter().filter(|late| (**late - ahead).abs() < 1_000_000).count();
    assert!(close > late.len() / 2, "{format:?}: host time is {ahead} ns ahead, and stamps are {late:?}");
}

/// What the tests' clock is ahead of the clock that cameras stamp by, of all looks the best.
fn host_ahead() -> i64 {
    let look = || {
        let (before, host, after) = (host_time(), Host.now().0, host_time());
        (after - before, host - i64::midpoint(before, after))
    };
    (0..100).map(|_| look()).min().unwrap().1
}

#[test]
fn a_format_that_a_camera_lacks_is_refused() {
    with_camera("a_format_that_a_camera_lacks_is_refused", |_| {
        let format = Format {
            size: Size::new(1280, 720),
            rate: Rate { pictures: 60, seconds: 1 },
            encoding: "NV12".to_owned(),
        };
        let config = SourceConfig { format: Some(format), ..SourceConfig::new(30) };
        let error =
            native().open(&SourceId::new(CAMERA), &config, Listener::new().sink("source")).err().unwrap();
        assert!(
            matches!(error, CaptureError::Unsupported { .. }) && error.to_string().contains("60/s"),
            "{error}"
        );
    });
}

#[track_caller]
fn assert_lost(listener: &Listener, reason: LostReason) {
    let lost = listener.event();
    assert!(
        matches!(&lost, SourceEvent::Lost { reason: given, message } if *given == reason && !message.is_empty()),
        "{lost:?} is not {reason}"
    );
}

#[test]
fn a_camera_may_be_unplugged_and_come_back_under_another_number() {
    let plug_in = || {
        let first = Camera::plug_in();
        let second = Camera::plug_in_at(2).again(&first);
        second.set(CameraState::Gone);
        vec![first, second]
    };
    with_cameras("a_camera_may_be_unplugged_and_come_back_under_another_number", plug_in, |cameras| {
        let [first, second] = cameras else { panic!("there are two") };
        let listener = Listener::new();
        let _capture = listener.open(&*native(), CAMERA, 30);
        let before = listener.picture("source", |_| true);
        first.set(CameraState::Gone);
        assert_lost(&listener, LostReason::Unplugged);
        wait_for("the file to be closed", || (first.journal().last()? == "close").then_some(()));
        second.set(CameraState::There);
        assert_eq!(listener.event(), SourceEvent::Returned);
        let after = listener.picture("source", |_| true);
        assert!(after.serial > before.serial && after.at > before.at);
        assert!(second.journal().iter().any(|line| line.starts_with("start")));
        second.set(CameraState::Gone);
        assert_lost(&listener, LostReason::Unplugged);
        first.set(CameraState::There);
        assert_eq!(listener.event(), SourceEvent::Returned);
    });
}

#[test]
fn permission_says_what_to_do() {
    with_camera("permission_says_what_to_do", |camera| {
        let permission = || native().permission(SourceKind::Camera);
        assert_eq!(permission().state, PermissionState::Granted);
        camera.set(CameraState::Denied);
        let denied = permission();
        assert_eq!(denied.state, PermissionState::Denied);
        assert!(denied.advice.contains("/dev/video0") && denied.advice.contains("sudo"), "{}", denied.advice);
        for id in [CAMERA, "/dev/video0"] {
            let opened =
                native().open(&SourceId::new(id), &SourceConfig::new(30), Listener::new().sink("source"));
            let error = opened.err().unwrap();
            let CaptureError::Denied { message, .. } = &error else { panic!("{error}") };
            assert!(message.contains("/dev/video0") && message.contains("sudo"), "{message}");
        }
        assert!(cameras().is_empty());
        camera.set(CameraState::Gone);
        let none = permission();
        assert_eq!((none.state, none.advice.is_empty()), (PermissionState::Restricted, false));
    });
}

#[test]
fn permission_may_be_taken_back_and_given_again() {
    with_camera("permission_may_be_taken_back_and_given_again", |camera| {
        let listener = Listener::new();
        let _capture = listener.open(&*native(), CAMERA, 30);
        listener.picture("source", |_| true);
        camera.set(CameraState::Denied);
        assert_lost(&listener, LostReason::Denied);
        assert_eq!(camera.journal().last().unwrap(), "close", "it is not looked at any more");
        let captured = || listener.pictures().counts(&track("source")).captured;
        let before = captured();
        std::thread::sleep(std::time::Duration::from_millis(700));
        assert_eq!(captured(), before);
        camera.set(CameraState::There);
        assert_eq!(listener.event(), SourceEvent::Returned);
        wait_for("pictures", || (captured() > before).then_some(()));
    });
}

#[test]
fn a_busy_camera_is_said_to_be_busy() {
    with_camera("a_busy_camera_is_said_to_be_busy", |camera| {
        let open =
            || native().open(&SourceId::new(CAMERA), &SourceConfig::new(30), Listener::new().sink("source"));
        camera.set(CameraState::Busy);
        let error = open().err().unwrap();
        assert!(error.is_retryable() && error.to_string().contains("another program uses it"), "{error}");
        assert_eq!(cameras().len(), 1, "it is there all the same");
        camera.set(CameraState::There);
        let first = open().unwrap();
        let error = open().err().unwrap();
        assert!(error.to_string().contains("another program uses it"), "{error}");
        drop(first);
        assert!(open().is_ok());
    });
}

#[test]
fn a_stalled_camera_is_lost_until_it_goes_on() {
    with_camera("a_stalled_camera_is_lost_until_it_goes_on", |camera| {
        let listener = Listener::new();
        let _capture = listener.open(&*native(), CAMERA, 30);
        listener.picture("source", |_| true);
        for _ in 0..2 {
            camera.set(CameraState::Stalled);
            assert_lost(&listener, LostReason::Silent);
            camera.set(CameraState::There);
            assert_eq!(listener.event(), SourceEvent::Returned);
        }
        camera.set(CameraState::Stalled);
        assert_lost(&listener, LostReason::Silent);
        let starts = || camera.journal().iter().filter(|line| line.starts_with("start")).count();
        let before = starts();
        wait_for("it to be switched off and on", || (starts() > before).then_some(()));
        camera.set(CameraState::Gone);
        assert!(listener.intake.events.recv_timeout(LIMIT / 10).is_err(), "it is lost already");
        camera.set(CameraState::There);
        assert_eq!(listener.event(), SourceEvent::Returned);
    });
}

#[test]
fn a_frozen_camera_gives_the_same_picture() {
    with_camera("a_frozen_camera_gives_the_same_picture", |camera| {
        let listener = Listener::new();
        let _capture = listener.open(&*native(), CAMERA, 30);
        listener.picture("source", |_| true);
        let counts = || listener.pictures().counts(&track("source"));
        assert_eq!(counts().unchanged, 0);
        camera.set(CameraState::Frozen);
        wait_for("looks that find nothing new", || (counts().unchanged > 5).then_some(()));
        let frozen = counts().captured;
        wait_for("more of them", || (counts().unchanged > 20).then_some(()));
        assert_eq!(counts().captured, frozen);
        camera.set(CameraState::There);
        wait_for("new pictures", || (counts().captured > frozen + 5).then_some(()));
        assert_eq!(listener.intake.events.try_recv().ok(), None, "that is no loss");
    });
}

#[test]
fn more_pictures_than_wanted_are_left_out_evenly() {
    with_camera("more_pictures_than_wanted_are_left_out_evenly", |_| {
        let listener = Listener::new();
        let format = Format {
            size: Size::new(640, 480),
            rate: Rate { pictures: 30, seconds: 1 },
            encoding: "YUYV".to_owned(),
        };
        let config = SourceConfig { format: Some(format), ..SourceConfig::new(10) };
        let _capture = native().open(&SourceId::new(CAMERA), &config, listener.sink("source")).unwrap();
        let codes: Vec<u32> = (0..15).map(|_| code(&listener.picture("source", |_| true)).unwrap()).collect();
        assert!(codes.windows(2).all(|pair| pair[1] - pair[0] >= 3), "more than ten a second: {codes:?}");
        let thirds = codes.windows(2).filter(|pair| pair[1] - pair[0] == 3).count();
        assert!(thirds > codes.len() / 2, "{codes:?}");
    });
}

#[test]
fn a_reader_that_keeps_pictures_stops_nothing() {
    with_camera("a_reader_that_keeps_pictures_stops_nothing", |_| {
        let listener = Listener::new();
        let _capture = listener.open(&*native(), CAMERA, 30);
        let mut kept = Vec::new();
        wait_for("pictures that found no memory", || {
            kept.extend(listener.pictures().take(&track("source")));
            (listener.pictures().counts(&track("source")).dropped >= 5 && kept.len() >= 3).then_some(())
        });
        let codes: Vec<_> = kept.iter().map(|frame: &Frame| code(frame).unwrap()).collect();
        assert!(
            codes.windows(2).all(|pair| pair[0] < pair[1]),
            "a picture changed while it was kept: {codes:?}"
        );
        kept.clear();
        listener.picture("source", |_| true);
        assert_eq!(listener.intake.events.try_recv().ok(), None, "that is no loss");
    });
}
