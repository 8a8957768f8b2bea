//! One composited picture, every source as it is, or both.

use model::Rect;
use serde_json::Value;
use spool_tests::{
    Camera, CodeShow, Display, Film, Finished, Pcm, Sound, Spool,
    camera::code_area,
    codes::{assert_in_order, assert_in_time, assert_on_time, without_repeats},
    film, library, my_turn, rows, tone,
};
use std::path::Path;

/// The part of the screen that shows codes and that no camera hides.
const CODES: (i16, i16, u16, u16) = (320, 0, 640, 360);
const SCREEN: Rect = Rect { x: 320, y: 0, width: 640, height: 360 };
/// The code within the round picture of a camera of 1280 by 720 in the corner of a canvas of the same size.
const INSET_CODE: Rect = Rect { x: 1112, y: 548, width: 112, height: 120 };

struct Studio {
    display: Display,
    sound: Sound,
    camera: Camera,
    show: CodeShow,
}

impl Studio {
    fn start() -> Self {
        let (display, sound) = (Display::start(1280, 720), Sound::start());
        let show = CodeShow::start(&display, CODES, 15);
        Self { camera: Camera::plug_in(), display, sound, show }
    }

    fn spool(&self) -> Spool {
        Spool::new().on(&self.display).hearing(&self.sound).seeing(&[&self.camera])
    }

    fn record(&self, spool: &Spool, mode: &str) -> Finished {
        let _tones = [self.sound.play("speakers", 440), self.sound.play("micfeed", 1000)];
        let arguments = ["--for", "5s", "--camera", "--camera-format", "1280x720@30"];
        let more = ["--mic", "default", "--system-audio", "--mode", mode];
        spool.record(arguments.into_iter().chain(more)).finished()
    }

    /// The composited picture, with all that belongs in it.
    fn assert_composed(&self, file: &Path, dropped: u64) {
        assert_eq!(film::size(file), (1280, 720));
        let codes = without_repeats(Film::decode_part(file, SCREEN).codes());
        assert!(codes.len() > 40, "only {} codes of the screen", codes.len());
        assert_in_order(&codes, dropped);
        let shown = assert_on_time(&codes, &self.show, 0.08, dropped);
        let codes = without_repeats(Film::decode_mirrored(file, INSET_CODE).codes());
        let taken = self.assert_camera(&codes, dropped);
        assert!((taken - shown).abs() < 0.08e9, "camera and screen are {} ms apart", (taken - shown) / 1e6);
    }

    fn assert_camera(&self, codes: &[(f64, u32)], dropped: u64) -> f64 {
        assert!(codes.len() > 40, "only {} codes of the camera", codes.len());
        assert_in_order(codes, dropped);
        assert_in_time(codes, |code| [self.camera.taken(code, (30, 1)); 2], 0.08, dropped)
    }

    fn assert_sound(&self, file: &Path, hertz: &[f64]) {
        let pcm = Pcm::decode(file, 0);
        for hertz in hertz {
            let heard = pcm.between(1.0, pcm.end() - 0.5);
            let measured = tone::frequency(heard, pcm.rate, *hertz);
            assert!((measured / hertz - 1.0).abs() < 0.001, "{measured} Hz instead of {hertz}");
            assert!(tone::amplitude(heard, pcm.rate, *hertz) > 0.05, "{hertz} Hz are not heard");
        }
    }

    /// Each source's own file, from its init segment and its chunks alone.
    fn assert_tracks(&self, spool: &Spool, finished: &Finished) {
        let file = |track| library::join(spool, &finished.session, track, 0);
        let dropped = finished.frames("dropped");
        let screen = file("screen");
        assert_eq!(film::size(&screen), (1280, 720));
        let codes = without_repeats(Film::decode_part(&screen, SCREEN).codes());
        assert!(codes.len() > 40, "only {} codes of the screen", codes.len());
        assert_in_order(&codes, dropped);
        let shown = assert_on_time(&codes, &self.show, 0.08, dropped);
        let corner = film::color(&screen, 3.0, Rect::new(1078, 518, 180, 180));
        assert!(corner.iter().all(|part| *part < 20), "the camera is in the screen's own track");

        let camera = file("camera");
        assert_eq!(film::size(&camera), (1280, 720));
        let (x, y, width, height) = code_area(1280, 720);
        let px = |share: f64, of: f64| (share * of).round() as u32;
        let place = Rect::new(
            px(x, 1280.0).cast_signed(),
            px(y, 720.0).cast_signed(),
            px(width, 1280.0),
            px(height, 720.0),
        );
        // As the camera gave it, not as in a mirror.
        let codes = without_repeats(Film::decode_part(&camera, place).codes());
        let taken = self.assert_camera(&codes, dropped);
        assert!((taken - shown).abs() < 0.08e9, "the tracks are {} ms apart", (taken - shown) / 1e6);
        self.assert_sound(&file("mic"), &[1000.0]);
        self.assert_sound(&file("system"), &[440.0]);
        self.assert_sound(&file("mix"), &[440.0, 1000.0]);
    }
}

fn tracks(finished: &Finished) -> Vec<&str> {
    let mut tracks: Vec<_> = rows(&finished.event["tracks"]).iter().flat_map(Value::as_str).collect();
    tracks.sort_unstable();
    tracks
}

#[test]
fn both_has_the_picture_and_every_source() {
    let _turn = my_turn();
    let studio = Studio::start();
    let spool = studio.spool();
    let finished = studio.record(&spool, "both");
    assert_eq!(tracks(&finished), ["camera", "input", "mic", "mix", "program", "screen", "system"]);
    studio.assert_tracks(&spool, &finished);
    let file = spool.export(&finished.recording, "all.mp4");
    studio.assert_composed(&file, finished.frames("dropped"));
    studio.assert_sound(&file, &[440.0, 1000.0]);
    spool.run(["verify", &finished.recording]).ok();
}

#[test]
fn tracks_alone_are_composed_afterwards_as_they_were_arranged() {
    let _turn = my_turn();
    let studio = Studio::start();
    let spool = studio.spool();
    let finished = studio.record(&spool, "tracks");
    assert_eq!(tracks(&finished), ["camera", "input", "mic", "mix", "screen", "system"]);
    studio.assert_tracks(&spool, &finished);
    let file = spool.export(&finished.recording, "composed.mp4");
    studio.assert_composed(&file, finished.frames("dropped"));
    studio.assert_sound(&file, &[440.0, 1000.0]);
    film::assert_complaint_free(&file);
}

#[test]
fn a_program_has_one_picture_and_all_sound() {
    let _turn = my_turn();
    let studio = Studio::start();
    let spool = studio.spool();
    let finished = studio.record(&spool, "program");
    assert_eq!(tracks(&finished), ["input", "mic", "mix", "program", "system"]);
    let details = spool.json(&["show", &finished.recording]);
    assert_eq!(details["mode"], "program", "{details}");
    let check = &details["check"];
    let apart = check["end_offset_us"].as_i64().unwrap_or(i64::MAX);
    assert!(apart.abs() < 45_000, "sound and pictures end {apart} us apart: {details}");
    assert_eq!(rows(&check["sound"]).len(), 2, "{details}");
}

#[test]
fn sound_alone_has_no_picture_in_any_mode() {
    let _turn = my_turn();
    let sound = Sound::start();
    let _tone = sound.play("micfeed", 1000);
    let spool = Spool::new().hearing(&sound);
    for mode in ["program", "tracks", "both"] {
        let finished =
            spool.record(["--for", "2s", "--no-screen", "--mic", "default", "--mode", mode]).finished();
        assert_eq!(tracks(&finished), ["mix"], "{mode}");
    }
}
