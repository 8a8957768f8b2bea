//! The synthetic back end, in a process of its own so that its threads can be counted.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rig;

use model::{Frame, Size};
use rig::{
    Listener,
    conformance::{self, Subject},
};
use spool_capture::{CaptureError, Format, SourceConfig, SourceKind, pattern, synthetic};
use std::time::Duration;

/// All in one test: threads are counted, so nothing else may run beside it.
#[test]
fn synthetic_sources_conform() {
    let backend = synthetic();
    conformance::check(
        &*backend,
        &Subject {
            moving: &[
                "synthetic:screen",
                "synthetic:screen:641x363",
                "synthetic:camera",
                "synthetic:camera:640x480",
            ],
            still: &["synthetic:still"],
            sound: &["synthetic:mic", "synthetic:system", "synthetic:mic:-150ppm"],
            unknown: &["", "synthetic:nothing", "synthetic:screen:1x1", "synthetic:camera:3x3", "x11:screen"],
            is_torn: false,
        },
    );
    codes_follow_each_other_and_flash_meets_beep();
    a_camera_gives_what_it_is_asked_for();
}

fn codes_follow_each_other_and_flash_meets_beep() {
    let (backend, listener) = (synthetic(), Listener::new());
    let screen =
        backend.open(&"synthetic:screen".parse().unwrap(), &SourceConfig::new(30), listener.sink("source"));
    let microphone = listener.open(&*backend, "synthetic:mic", 30);
    let mut last: Option<(u32, bool)> = None;
    let mut flashes = Vec::new();
    while flashes.len() < 2 {
        let frame = listener.picture("source", |_| true);
        let luma =
            |x: u32, y: u32| frame.picture.bytes[y as usize * frame.picture.stride + 4 * x as usize + 1];
        let code = pattern::read_code(size(&frame), luma).expect("the picture shows a code");
        let flash = pattern::read_flash(size(&frame), luma);
        if let Some((before, was_flash)) = last {
            assert!(code > before, "{code} after {before}");
            if flash && !was_flash {
                flashes.push(frame.at);
            }
        }
        last = Some((code, flash));
    }
    // The sound of an instant comes a little later than its picture.
    listener.picture("source", |frame| frame.at > flashes[1] + Duration::from_millis(100));
    let blocks: Vec<_> = listener.intake.sound.try_iter().map(|(_, block)| block).collect();
    let loud = blocks.iter().flat_map(|block| {
        block.samples.iter().enumerate().filter(|(_, sample)| sample.abs() > 0.3).map(|(index, _)| {
            block.at + Duration::from_nanos(index as u64 * 1_000_000_000 / u64::from(block.rate))
        })
    });
    let loud: Vec<_> = loud.collect();
    for flash in flashes {
        let beep = loud.iter().map(|at| (at.0 - flash.0).abs()).min().expect("it beeps");
        assert!(beep < 5_000_000, "{beep} ns between flash and beep");
    }
    drop((screen, microphone));
}

fn a_camera_gives_what_it_is_asked_for() {
    let (backend, listener) = (synthetic(), Listener::new());
    let camera =
        backend.sources().unwrap().into_iter().find(|source| source.kind == SourceKind::Camera).unwrap();
    for format in camera.formats {
        let config = SourceConfig { format: Some(format.clone()), ..SourceConfig::new(30) };
        let capture = backend.open(&camera.id, &config, listener.sink("source")).unwrap();
        let frame = listener.picture("source", |frame| size(frame) == format.size);
        let luma = |x: u32, y: u32| frame.picture.bytes[y as usize * frame.picture.stride + x as usize];
        assert!(pattern::read_code(size(&frame), luma).is_some());
        drop(capture);
        let other = Format { encoding: "MJPG".to_owned(), ..format };
        let config = SourceConfig { format: Some(other), ..SourceConfig::new(30) };
        let error = backend.open(&camera.id, &config, listener.sink("source")).err().unwrap();
        assert!(matches!(error, CaptureError::Unsupported { .. }), "{error}");
    }
}

fn size(frame: &Frame) -> Size {
    frame.picture.size
}
