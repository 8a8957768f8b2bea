//! Layouts that come from outside. Input: the sizes of screen, camera and limit, the text of a layout.

#![no_main]

use model::{Content, Layout, Pictured, Rect, Size, TrackId};
use spool_fuzz::{input::Input, tracks};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let mut size = || Size::new(input.small().max(1).into(), input.small().max(1).into());
    let [screen, camera, limit] = [size(), size(), size()];
    let Ok(layout) = serde_json::from_slice::<Layout>(input.0) else { return };
    let layout = layout.checked();
    assert_eq!(layout.checked(), layout, "checked once is checked");
    let text = serde_json::to_string(&layout).expect("what was read can be written");
    let again: Layout = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(again, layout);

    let pictured = |name: &str, size| Pictured { track: tracks::track(name), size };
    let (screen, camera) = (pictured("screen", screen), pictured("camera", camera));
    for (screen, camera) in [(Some(&screen), Some(&camera)), (Some(&screen), None), (None, Some(&camera))] {
        check(&layout, screen, camera, limit);
    }
});

/// All that is drawn lies on the canvas and shows what is there.
fn check(layout: &Layout, screen: Option<&Pictured>, camera: Option<&Pictured>, limit: Size) {
    let canvas = Layout::canvas(screen, camera, limit).expect("there is a picture");
    let main = screen.or(camera).expect("there is a picture").size;
    let overlay = Pictured { track: tracks::track("cursor"), size: main };
    let scene = layout.scene(canvas, screen, camera, std::slice::from_ref(&overlay));
    let size_of = |track: &TrackId| {
        let pictured = [screen, camera].into_iter().flatten().find(|pictured| pictured.track == *track);
        pictured.map_or(main, |pictured| pictured.size)
    };
    for layer in &scene.layers {
        let Content::Track(track) = &layer.content;
        let place = layer.place;
        assert_eq!(place.intersect(Rect::whole(canvas)), Some(place), "{layer:?} on {canvas}");
        let sides = [place.x.cast_unsigned(), place.y.cast_unsigned(), place.width, place.height];
        assert!(sides.iter().all(|side| side % 2 == 0), "{layer:?}");
        // A cropped picture is cropped to something of it.
        let whole = Rect::whole(size_of(track));
        assert_eq!(layer.crop.intersect(whole), Some(layer.crop), "{layer:?} of {whole:?}");
    }
}
