//! Drawings, clicks, keys and the pointer on the recorded picture, and as data beside it.

use rustix::process::Signal;
use spool_tests::{Cursor, Display, Film, Hands, Picture, Recorder, Spool, library, my_turn};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const SIZE: (f64, f64) = (1280.0, 720.0);

/// A black screen that is being recorded, on which all that is drawn is white.
struct Slate {
    spool: Spool,
    recorder: Recorder,
}

impl Slate {
    fn begin(display: &Display, arguments: &[&str]) -> Self {
        let spool = Spool::new().on(display);
        let mut recorder = spool.record([&["--no-mic"], arguments].concat());
        recorder.elapsed(SECOND);
        Self { spool, recorder }
    }

    /// Draws, and gives an instant of the recording at which the drawing can be seen.
    fn annotate(&mut self, words: &str) -> f64 {
        let words: Vec<&str> = words.split(' ').collect();
        let pencil: &[&str] = match words[0] {
            "erase" | "undo" | "clear" => &[],
            _ => &["--color", "white"],
        };
        self.spool.run([&["annotate"], words.as_slice(), pencil].concat()).ok();
        let drawn = self.spool.elapsed();
        self.recorder.goes_on(&self.spool, SECOND);
        drawn + 0.5
    }

    /// Ends it and gives its pictures.
    fn end(self) -> (Spool, Film, String) {
        self.recorder.signal(Signal::TERM);
        let finished = self.recorder.finished();
        let film = Film::decode(&self.spool.export(&finished.recording, "annotated.mp4"));
        (self.spool, film, finished.session)
    }
}

/// The picture that is shown at this second.
fn at(film: &Film, second: f64) -> &Picture {
    film.pictures.iter().rfind(|picture| picture.at <= second).expect("a film begins at zero")
}

/// Mean brightness of the square of 20 by 20 pixels around a point.
fn light(film: &Film, second: f64, (x, y): (f64, f64)) -> f64 {
    at(film, second).brightness(((x - 10.0) / SIZE.0, (y - 10.0) / SIZE.1, 20.0 / SIZE.0, 20.0 / SIZE.1))
}

#[test]
fn what_is_drawn_is_seen_where_it_was_drawn_until_it_goes() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    Hands::at(&display).point(1279, 719);
    let mut slate = Slate::begin(&display, &[]);
    let framed = slate.annotate("rectangle 200,200 1000,500 --width 24");
    let lined = slate.annotate("line 100,600 1200,600 --width 24 --fade 1s");
    slate.recorder.goes_on(&slate.spool, 2 * SECOND);
    let faded = slate.spool.elapsed() - 0.3;
    let erased = slate.annotate("erase 600,200 --radius 10");
    let drawn = [
        ("pen --width 24 100,100 100,300 300,300", (100.0, 200.0)),
        ("highlighter --width 24 400,100 400,300", (400.0, 200.0)),
        ("arrow 500,100 700,100 --width 24", (600.0, 100.0)),
        ("ellipse 800,100 1000,300 --width 24", (900.0, 100.0)),
        ("text 100,400 █████ --width 80", (150.0, 440.0)),
    ]
    .map(|(words, place)| (words, slate.annotate(words), place));
    let undone = slate.annotate("undo");
    let cleared = slate.annotate("clear");
    slate.spool.run(["annotate", "pen", "100"]).refused(2, "point");
    let (spool, film, session) = slate.end();

    for corner in [(600.0, 200.0), (200.0, 350.0), (600.0, 500.0), (1000.0, 350.0)] {
        assert!(light(&film, framed, corner) > 200.0, "the rectangle lacks {corner:?}");
        assert!(light(&film, 0.5, corner) < 30.0 && light(&film, erased, corner) < 30.0, "{corner:?}");
        assert!(light(&film, faded, corner) > 200.0, "what does not fade stays at {corner:?}");
    }
    assert!(light(&film, framed, (600.0, 350.0)) < 30.0, "a rectangle is not filled");
    assert!(light(&film, lined - 0.2, (600.0, 600.0)) > 200.0, "the line is not seen");
    assert!(light(&film, faded, (600.0, 600.0)) < 30.0, "the line has not faded");
    for (words, second, place) in drawn {
        let (before, after) = (light(&film, second - 1.5, place), light(&film, second, place));
        assert!(before < 30.0 && after > 60.0, "{words}: {before} and then {after} at {place:?}");
        let left = light(&film, undone, place);
        assert_eq!(left < 30.0, words.starts_with("text"), "after undo {words} is at {left}");
        assert!(light(&film, cleared, place) < 30.0, "{words} is still there");
    }
    let data: Vec<u8> = library::chunks(&spool, &session, "input")
        .iter()
        .flat_map(|chunk| std::fs::read(chunk).unwrap())
        .collect();
    let text = String::from_utf8_lossy(&data);
    assert!(text.contains("\"draw\"") && text.contains("\"ellipse\"") && text.contains("█████"), "{text}");
}

#[test]
fn clicks_and_keys_are_shown_only_where_that_was_chosen() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    let hands = Hands::at(&display);
    for is_shown in [false, true] {
        hands.point(400, 300);
        let spool = Spool::new().on(&display);
        if is_shown {
            spool.run(["config", "pointer-ripple=on"]).ok();
        }
        let keys: &[&str] = if is_shown { &["--keys"] } else { &[] };
        let mut recorder = spool.record([&["--no-mic"], keys].concat());
        recorder.elapsed(SECOND);
        let clicked = spool.elapsed();
        hands.click(1);
        recorder.goes_on(&spool, 2 * SECOND);
        let pressed = spool.elapsed();
        hands.press('q');
        recorder.goes_on(&spool, 2 * SECOND);
        recorder.signal(Signal::TERM);
        let finished = recorder.finished();
        let film = Film::decode(&spool.export(&finished.recording, "input.mp4"));
        let brightest = |from: f64, to: f64, area| {
            let shown = film.pictures.iter().filter(|picture| picture.at >= from && picture.at < to);
            shown.map(|picture| picture.brightness(area)).fold(0.0, f64::max)
        };
        let (near, all) = ((0.2, 0.2, 0.2, 0.4), (0.0, 0.0, 1.0, 1.0));
        let ring = brightest(clicked, clicked + 1.0, near) - brightest(0.0, clicked - 0.2, near);
        assert_eq!(ring > 1.0, is_shown, "a click makes it brighter by {ring}");
        let words = brightest(pressed, pressed + 1.5, all) - brightest(0.0, clicked - 0.2, all);
        // One small letter on a large picture.
        assert_eq!(words > 0.03, is_shown, "a key makes it brighter by {words}");

        let data: Vec<u8> = library::chunks(&spool, &finished.session, "input")
            .iter()
            .flat_map(|chunk| std::fs::read(chunk).unwrap())
            .collect();
        let text = String::from_utf8_lossy(&data);
        assert!(text.contains("\"button\""), "clicks are always data: {text}");
        assert_eq!(text.contains("\"key\""), is_shown, "what is typed is nobody's business: {text}");
    }
}

#[test]
fn the_pointer_has_the_size_that_was_chosen_and_hides_when_idle() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    let cursor = Cursor::show(&display, 40);
    cursor.move_to(640, 360);
    let spool = Spool::new().on(&display);
    spool.run(["config", "pointer-size=200%"]).ok();
    spool.run(["config", "pointer-hide=1s"]).ok();
    let mut recorder = spool.record(["--no-mic"]);
    recorder.elapsed(SECOND / 2);
    cursor.move_to(320, 180);
    let moved = spool.elapsed();
    recorder.goes_on(&spool, 3 * SECOND);
    let idle = spool.elapsed();
    cursor.move_to(960, 540);
    let again = spool.elapsed();
    recorder.goes_on(&spool, SECOND);
    recorder.signal(Signal::TERM);
    let finished = recorder.finished();
    let film = Film::decode(&spool.export(&finished.recording, "pointer.mp4"));
    // The square of 40 is one of 80 at twice its size.
    for edge in [(290.0, 180.0), (350.0, 180.0), (320.0, 210.0)] {
        assert!(light(&film, moved + 0.4, edge) > 200.0, "the pointer is too small at {edge:?}");
    }
    assert!(light(&film, moved + 0.4, (380.0, 180.0)) < 30.0, "the pointer is too large");
    assert!(light(&film, idle - 0.2, (320.0, 180.0)) < 30.0, "an idle pointer is still seen");
    assert!(light(&film, again + 0.5, (960.0, 540.0)) > 200.0, "a pointer that moves again is not seen");
}
