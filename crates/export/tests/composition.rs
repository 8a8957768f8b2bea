//! Tracks composed again are the picture that was composed while they were recorded.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use bytes::Bytes;
use codec::{Speed, VideoCodec, VideoConfig, VideoEncoder};
use common::*;
use compose::{Compositor, Overlay};
use media::Chunker;
use model::{
    Annotation, CodecConfig, Color, Corner, Damage, Drawing, Frame, Frames, InputEvent, InputSample, Inset,
    Layer, Layout, LayoutChange, Packet, Piece, PixelFormat, Planes, Point, PointerShape, PointerStyle, Rect,
    Scene, Shape, Size, Span, Timestamp, Tool, TrackId, TrackKind,
};
use spool_export::{Container, Pace, Picture, Plan, needs_encoding};
use std::{path::Path, time::Duration};

const SCREEN: Size = Size { width: 320, height: 180 };
const CAMERA: Size = Size { width: 160, height: 120 };
/// Ten seconds of ten pictures each.
const PICTURES: i64 = 100;

fn id(name: &str) -> TrackId {
    name.parse().unwrap()
}

fn at(number: i64) -> Timestamp {
    millis(number * 100)
}

/// A picture that changes all over, slowly, with a block that moves.
fn picture(size: Size, number: i64, blue: u8) -> Frame {
    let mut bytes = Vec::new();
    for y in 0..size.height as i64 {
        for x in 0..size.width as i64 {
            let block = (x - number * 2).rem_euclid(160) < 24 && (y - number).rem_euclid(100) < 24;
            let shade = |value: i64| (value.rem_euclid(200) / 2 + 60) as u8;
            let (green, red) = if block { (240, 40) } else { (shade(x + number), shade(y * 2)) };
            bytes.extend([blue, green, red, 0]);
        }
    }
    let picture = Planes {
        format: PixelFormat::Bgrx,
        size,
        stride: size.width as usize * 4,
        bytes: Bytes::from(bytes),
    };
    let serial = number as u64 + 1;
    Frame { at: at(number), picture, origin: Point::default(), serial, since: 0, damage: Damage::All }
}

fn layouts() -> Vec<LayoutChange> {
    let camera = Inset { mirrored: false, ..Inset::default() };
    let square = Inset { shape: Shape::Rectangle, size: 0.4, ..camera }.at(Corner::TopLeft);
    let big = PointerStyle { size: 2.0, ripple: true, ..PointerStyle::default() };
    let first = Layout { camera, ..Layout::default() };
    let second = Layout { camera: square, pointer: big, ..Layout::default() };
    vec![LayoutChange { at: at(0), layout: first }, LayoutChange { at: millis(5200), layout: second }]
}

fn events(number: i64) -> Vec<InputEvent> {
    let point = |x: i64, y: i64| Point { x: x as i32, y: y as i32 };
    let mut events = Vec::new();
    if number == 0 {
        let pixels = Bytes::from([255u8, 255, 255, 255].repeat(64));
        let shape = PointerShape { size: Size::new(8, 8), hot: Point::default(), pixels };
        events.extend([InputEvent::Resized(SCREEN), InputEvent::PointerShape(shape)]);
    }
    if number == 20 {
        events.push(InputEvent::Annotation(Annotation::Draw(Drawing {
            id: 1,
            tool: Tool::Rectangle,
            points: vec![point(200, 20), point(300, 70)],
            color: Color::new(255, 0, 0),
            width: 6,
            fade_after_ms: Some(5000),
        })));
    }
    if number == 60 {
        events.push(InputEvent::Button { button: 1, pressed: true, at: point(180, 120) });
    }
    if number % 3 == 0 {
        events.push(InputEvent::Pointer(point(60 + number * 2, 100)));
    }
    events
}

/// What the recorder draws from.
struct Live {
    number: i64,
    overlay: Overlay,
}

impl Frames for Live {
    fn frame(&mut self, track: &TrackId, at: Timestamp) -> Option<Frame> {
        match track.as_str() {
            "screen" => Some(picture(SCREEN, self.number, 30)),
            "camera" => Some(picture(CAMERA, self.number * 3, 220)),
            "drawings" => self.overlay.drawings(at),
            _ => self.overlay.pointer(at),
        }
    }
}

/// A track of pictures that is being recorded.
struct Recorder {
    name: &'static str,
    kind: TrackKind,
    compositor: Compositor,
    encoder: VideoEncoder,
    chunker: Chunker,
    pieces: Vec<Piece>,
}

impl Recorder {
    fn new(kind: TrackKind, name: &'static str, size: Size) -> Self {
        let encoder = VideoEncoder::open(&VideoConfig {
            codec: VideoCodec::H264,
            size,
            fps: 10,
            crf: 10.0,
            max_bitrate: 50_000_000,
            speed: Speed::Ultrafast,
        });
        let encoder = encoder.unwrap();
        let chunker = chunker(name, encoder.config());
        Self { name, kind, compositor: Compositor::new(size).unwrap(), encoder, chunker, pieces: Vec::new() }
    }

    fn record(&mut self, scene: &Scene, number: i64, live: &mut Live) {
        self.compositor.render(scene, at(number), live).unwrap();
        if number % 40 == 0 {
            self.encoder.request_keyframe();
        }
        self.encoder.push(self.compositor.picture(), at(number)).unwrap();
        while let Some(packet) = self.encoder.poll().unwrap() {
            self.chunker.push(packet).unwrap();
        }
        self.pieces.extend(drain(&mut self.chunker));
    }

    fn finish(mut self) -> (TrackKind, &'static str, Vec<Piece>) {
        self.chunker.seal(at(PICTURES));
        self.pieces.extend(drain(&mut self.chunker));
        (self.kind, self.name, self.pieces)
    }
}

/// Program, screen, camera and input, as a recorder of mode `both` writes them.
fn record() -> Recorded {
    let mut live = Live { number: 0, overlay: Overlay::default() };
    let mut program = Recorder::new(TrackKind::Program, "program", SCREEN);
    let mut screen = Recorder::new(TrackKind::Screen, "screen", SCREEN);
    let mut camera = Recorder::new(TrackKind::Camera, "camera", CAMERA);
    let mut input = chunker("input", &CodecConfig::Json);
    let pictured = |name: &str, size| model::Pictured { track: id(name), size };
    let overlays = [pictured("drawings", SCREEN), pictured("pointer", SCREEN)];
    for number in 0..PICTURES {
        live.number = number;
        let (events, now) = (events(number), at(number));
        let keyframe = number % 40 == 0;
        let state = keyframe.then(|| live.overlay.state().clone());
        for event in &events {
            live.overlay.apply(event, now);
        }
        let sample = InputSample { state, events };
        if keyframe || !sample.events.is_empty() {
            let bytes = serde_json::to_vec(&sample).unwrap().into();
            input.push(Packet { at: now, duration: Duration::ZERO, keyframe, bytes }).unwrap();
        }
        let layout = layouts().into_iter().rfind(|change| change.at <= now).unwrap().layout;
        live.overlay.set_style(layout.pointer, layout.keys);
        let (on_screen, on_camera) = (pictured("screen", SCREEN), pictured("camera", CAMERA));
        let scene = layout.scene(SCREEN, Some(&on_screen), Some(&on_camera), &overlays);
        program.record(&scene, number, &mut live);
        for (recorder, source) in [(&mut screen, on_screen), (&mut camera, on_camera)] {
            let whole = Rect::whole(source.size);
            let layers = vec![Layer::plain(source.track, whole, whole)];
            recorder.record(&Scene { background: Color::BLACK, layers }, number, &mut live);
        }
    }
    input.seal(at(PICTURES));
    let input = (TrackKind::Input, "input", drain(&mut input));
    let mut recorded = store(vec![program.finish(), screen.finish(), camera.finish(), input], &[]);
    recorded.manifest.meta.layouts = layouts();
    recorded
}

/// When pictures are shown, in milliseconds.
fn times_of(path: &Path) -> Vec<i64> {
    let millis = |fields: Vec<String>| (fields[0].parse::<f64>().unwrap() * 1000.0).round() as i64;
    probe(path, "v", &["pts_time"]).into_iter().map(millis).collect()
}

#[test]
fn tracks_composed_again_are_the_program() {
    let recorded = record();
    let program = recorded.out("program.mp4");
    recorded.export(&Plan::new(Container::Mp4), &program, &mut go_on).unwrap();
    let program = pictures_of(&program);
    assert_eq!(program.len(), PICTURES as usize);

    let plan =
        Plan { picture: Picture::Composition(Vec::new()), crf: Some(10.0), ..Plan::new(Container::Mp4) };
    let out = recorded.out("composed.mp4");
    let made = recorded.export(&plan, &out, &mut go_on).unwrap();
    assert_eq!((made.duration.as_millis(), made.skipped.len()), (10_000, 0));
    let (times, pictures) = (times_of(&out), pictures_of(&out));
    for (number, program) in (0..).zip(&program) {
        let place = times.iter().rposition(|time| *time <= number * 100).unwrap();
        let alike = psnr(&pictures[place], program);
        assert!(alike > 34.0, "{alike} dB at {number}00 ms");
    }
    // Something is drawn between the pictures where a ring spreads and where a drawing fades, not elsewhere.
    let between = |span: std::ops::Range<i64>| {
        times.iter().filter(|time| span.contains(time) && **time % 100 != 0).count()
    };
    assert!(between(6000..6400) > 4 && between(7000..7500) > 4, "{times:?}");
    assert_eq!((between(0..5200), between(8000..10_000)), (0, 0), "{times:?}");
}

#[test]
fn a_session_of_tracks_alone_is_composed_also_in_other_layouts() {
    let mut recorded = record();
    recorded.manifest.tracks.remove(0);
    let plan =
        Plan { size: Some(Size::new(160, 160)), pace: Pace::Constant(10), ..Plan::new(Container::Webm) };
    assert!(needs_encoding(&recorded.store, &recorded.manifest, &Plan::new(Container::Mp4)).unwrap());
    let cut = Some(Span::new(millis(4050), millis(6050)));
    let export = |picture, name: &str| {
        let out = recorded.out(name);
        let plan = Plan { picture, cut, crf: Some(12.0), ..plan.clone() };
        recorded.export(&plan, &out, &mut go_on).unwrap();
        assert_eq!(stream_fields(&out, "v", &["width", "height"]), ["160", "90"]);
        pictures_of(&out)
    };
    let arranged = export(Picture::AsRecorded, "arranged.webm");
    let hidden = Layout { camera: Inset { shown: false, ..Inset::default() }, ..Layout::default() };
    let hidden =
        export(Picture::Composition(vec![LayoutChange { at: at(0), layout: hidden }]), "hidden.webm");
    let screen = export(Picture::Track(id("screen")), "screen.webm");
    assert_eq!((arranged.len(), hidden.len(), screen.len()), (20, 20, 20));
    // Blue is what the camera has most of.
    let blue = |picture: &[u8], x: usize, y: usize| picture[(y * 160 + x) * 3 + 2] > 150;
    for number in 0..20 {
        // The change at 5.2 s is nearer to this picture than to the next.
        let moved = number >= 11;
        let (corner, top) = ((140, 75), (20, 18));
        let seen = |picture: &[u8]| [corner, top].map(|(x, y)| blue(picture, x, y));
        assert_eq!(seen(&arranged[number]), [!moved, moved], "picture {number}");
        assert_eq!(seen(&hidden[number]), [false, false], "picture {number}");
        assert!(psnr(&hidden[number], &screen[number]) > 20.0);
    }
}

#[test]
fn without_its_input_a_composition_lacks_only_what_people_did() {
    let mut recorded = record();
    for chunk in recorded.manifest.tracks[3].chunks.clone() {
        std::fs::remove_file(recorded.chunk_path(&chunk.id)).unwrap();
    }
    let lost: Vec<_> = recorded.manifest.tracks[3].chunks.iter().map(|chunk| chunk.id.clone()).collect();
    recorded.manifest.tracks.remove(0);
    let plan = Plan { pace: Pace::AtMost(5), ..Plan::new(Container::Gif) };
    let made = recorded.export(&plan, &recorded.out("out.gif"), &mut go_on).unwrap();
    assert_eq!(made.skipped, lost);
    assert!(pictures_of(&recorded.out("out.gif")).len() > 40);
}
