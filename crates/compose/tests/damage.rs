//! Drawing what changed gives the bytes that drawing everything gives, whatever changes.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod random;

use model::{
    Border, Color, Damage, Frame, Frames, Layer, Matrix, Outline, PixelFormat, Planes, Point, Rect, Scene,
    Size, Timestamp, TrackId,
};
use random::Random;
use spool_compose::Compositor;
use std::collections::HashMap;

impl Random {
    fn rect(&mut self, within: Size) -> Rect {
        let (x, y) = (self.below(within.width + 8), self.below(within.height + 8));
        let (width, height) = (self.below(within.width / 2 + 2), self.below(within.height / 2 + 2));
        Rect::new(x as i32 - 4, y as i32 - 4, width, height)
    }
}

/// A source whose picture changes, and which remembers what changed since what was taken from it last.
struct Device {
    picture: Planes,
    bytes: Vec<u8>,
    origin: Point,
    serial: u64,
    taken: u64,
    damage: Damage,
}

impl Device {
    fn new(format: PixelFormat, size: Size, random: &mut Random) -> Self {
        let depth = if matches!(format, PixelFormat::Nv12(_)) { 1 } else { 4 };
        let stride = size.width as usize * depth + random.below(3) as usize * 4;
        let rows = if matches!(format, PixelFormat::Nv12(_)) { size.height * 3 / 2 } else { size.height };
        let bytes: Vec<u8> = (0..stride * rows as usize).map(|_| random.next() as u8).collect();
        let picture = Planes { format, size, stride, bytes: Default::default() };
        Self { picture, bytes, origin: Point::default(), serial: 1, taken: 0, damage: Damage::All }
    }

    /// Changes pixels within a rectangle and says so.
    fn scribble(&mut self, random: &mut Random) {
        self.serial += 1 + u64::from(random.below(3));
        let rect = random.rect(self.picture.size);
        if random.one_in(8) {
            self.bytes.fill_with(|| random.next() as u8);
            self.damage = Damage::All;
            return;
        }
        for y in 0..self.picture.size.height as i32 {
            for x in 0..self.picture.size.width as i32 {
                if rect.intersect(Rect::new(x, y, 1, 1)).is_some() {
                    self.change(x as usize, y as usize, random.next() as u32);
                }
            }
        }
        self.damage = self.damage.clone().union(&Damage::Rects(vec![rect]));
    }

    fn change(&mut self, x: usize, y: usize, value: u32) {
        let Planes { format, size, stride, .. } = self.picture;
        let [first, second, third, _] = value.to_le_bytes();
        if matches!(format, PixelFormat::Nv12(_)) {
            self.bytes[y * stride + x] = first;
            let chroma = (size.height as usize + y / 2) * stride + (x & !1);
            self.bytes[chroma..chroma + 2].copy_from_slice(&[second, third]);
        } else {
            let at = y * stride + x * 4;
            self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
    }

    fn jump(&mut self, random: &mut Random) {
        self.serial += 1;
        self.origin = Point { x: random.below(90) as i32 - 20, y: random.below(60) as i32 - 20 };
    }

    fn frame(&self) -> Frame {
        let picture = Planes { bytes: self.bytes.clone().into(), ..self.picture.clone() };
        let (origin, serial, damage) = (self.origin, self.serial, self.damage.clone());
        Frame { at: Timestamp::ZERO, picture, origin, serial, since: self.taken, damage }
    }

    fn taken(&mut self) {
        self.taken = self.serial;
        self.damage = Damage::Rects(Vec::new());
    }
}

struct Desk(HashMap<TrackId, Frame>);

impl Frames for Desk {
    fn frame(&mut self, track: &TrackId, _at: Timestamp) -> Option<Frame> {
        self.0.get(track).cloned()
    }
}

fn track(name: &str) -> TrackId {
    name.parse().unwrap()
}

fn random_look(layer: Layer, random: &mut Random) -> Layer {
    let outline = match random.below(5) {
        0 => Outline::Ellipse,
        1 => Outline::Rounded { radius: random.below(30) },
        _ => Outline::Rectangle,
    };
    let color = Color::new(250, random.next() as u8, 30);
    let border = random.one_in(3).then(|| Border { width: random.below(8), color });
    Layer { outline, border, mirrored: random.one_in(3), ..layer }
}

fn random_layer(name: &str, canvas: Size, scaled: bool, random: &mut Random) -> Layer {
    // As cameras are: within the picture and even, so that it is scaled in planes; or any.
    let crop = match name {
        "camera" if random.one_in(2) => Rect::new(4, 2, 24, 20),
        _ => Rect::new(random.below(9) as i32 - 3, random.below(9) as i32 - 3, 40, 30),
    };
    let (x, y) = (random.below(60) as i32 - 10, random.below(50) as i32 - 10);
    let size = match scaled {
        true => Size::new(1 + random.below(canvas.width + 20), 1 + random.below(canvas.height + 20)),
        false => crop.size(),
    };
    let opacity = [1.0, 1.0, 0.5, 0.01, 0.0][random.below(5) as usize];
    let place = match random.one_in(2) {
        true => Rect::new(x & !1, y & !1, size.width.next_multiple_of(2), size.height.next_multiple_of(2)),
        false => Rect::new(x, y, size.width, size.height),
    };
    random_look(Layer { opacity, ..Layer::plain(track(name), crop, place) }, random)
}

fn random_scene(canvas: Size, random: &mut Random) -> Scene {
    let layers = [("screen", false), ("screen", true), ("camera", true), ("cursor", true)]
        .map(|(name, scaled)| random_layer(name, canvas, scaled, random));
    let count = random.below(5) as usize;
    let mut layers: Vec<_> = layers.into_iter().take(count).collect();
    if let [.., last] = &mut layers[..] {
        // The usual case too: all of the screen, fitted or as it is, and a pointer on it.
        let whole = Rect::whole(canvas);
        let crop = if random.one_in(2) { whole } else { Rect::new(0, 0, 48, 36) };
        *last = Layer::plain(track("screen"), crop, whole);
        layers.push(random_layer("camera", canvas, true, random));
        layers.push(Layer::plain(track("cursor"), crop, whole));
    }
    Scene { background: Color::new(random.next() as u8, 90, 7), layers }
}

/// What people do to a scene: a layer is dragged, looks different, comes, goes, or changes places with another.
fn change_scene(scene: &mut Scene, canvas: Size, random: &mut Random) {
    let count = scene.layers.len() as u32;
    if count == 0 || random.one_in(8) {
        return *scene = random_scene(canvas, random);
    }
    let index = random.below(count) as usize;
    let layer = &mut scene.layers[index];
    match random.below(5) {
        0 => layer.place = layer.place.shifted(random.below(9) as i32 - 4, random.below(9) as i32 - 4),
        1 => *layer = random_look(layer.clone(), random),
        2 => drop(scene.layers.remove(index)),
        3 => scene.layers.insert(index, random_layer("camera", canvas, true, random)),
        _ => scene.layers.swap(index, 0),
    }
}

/// One story from a seed: things change, and after each change both ways of drawing must agree.
fn check(seed: u64) {
    let random = &mut Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let canvas = Size::new(64, 48);
    let matrix = [Matrix::Bt709, Matrix::Bt601, Matrix::Bt601Full][seed as usize % 3];
    let mut devices = HashMap::from([
        ("screen", Device::new(PixelFormat::Bgrx, canvas, random)),
        ("camera", Device::new(PixelFormat::Nv12(matrix), Size::new(32, 24), random)),
        ("cursor", Device::new(PixelFormat::BgraPremultiplied, Size::new(7, 9), random)),
    ]);
    let mut scene = random_scene(canvas, random);
    let mut kept = Compositor::new(canvas).unwrap();
    for step in 0..20 {
        for name in ["screen", "camera", "cursor"] {
            let device = devices.get_mut(name).unwrap();
            for _ in 0..random.below(3) {
                device.scribble(random);
            }
            if name == "cursor" && random.one_in(2) {
                device.jump(random);
            }
        }
        if random.one_in(3) {
            change_scene(&mut scene, canvas, random);
        }
        let mut desk = Desk(devices.iter().map(|(name, device)| (track(name), device.frame())).collect());
        if random.one_in(4) {
            desk.0.remove(&track("cursor"));
        }
        let before = (kept.picture().luma.to_vec(), kept.picture().chroma.to_vec());
        let drawn = kept.render(&scene, Timestamp::ZERO, &mut desk).unwrap();
        devices.values_mut().for_each(Device::taken);
        let mut fresh = Compositor::new(canvas).unwrap();
        fresh.render(&scene, Timestamp::ZERO, &mut desk).unwrap();
        let (kept, fresh) = (kept.picture(), fresh.picture());
        assert!(
            kept.luma == fresh.luma && kept.chroma == fresh.chroma,
            "seed {seed}, step {step}: {scene:?}"
        );
        for (i, (old, new)) in before.0.iter().zip(kept.luma).enumerate() {
            let pixel = Rect::new((i % kept.stride) as i32, (i / kept.stride) as i32, 1, 1);
            let is_damaged = drawn.damage.iter().any(|rect| rect.intersect(pixel).is_some());
            assert!(old == new || is_damaged, "seed {seed}, step {step}: {pixel:?} changed without notice");
        }
        for rect in &drawn.damage {
            assert!(rect.x % 2 == 0 && rect.y % 2 == 0 && rect.width % 2 == 0 && rect.height % 2 == 0);
            assert_eq!(rect.intersect(Rect::whole(canvas)), Some(*rect));
        }
    }
}

#[test]
fn a_part_drawn_again_equals_the_whole_drawn_again() {
    (0..600).for_each(check);
}

#[test]
fn what_did_not_change_is_not_drawn() {
    let random = &mut Random(5);
    let canvas = Size::new(64, 48);
    let mut screen = Device::new(PixelFormat::Bgrx, canvas, random);
    let mut cursor = Device::new(PixelFormat::BgraPremultiplied, Size::new(8, 8), random);
    let layer = |name| Layer::plain(track(name), Rect::whole(canvas), Rect::whole(canvas));
    let scene = Scene { background: Color::BLACK, layers: vec![layer("screen"), layer("cursor")] };
    let mut compositor = Compositor::new(canvas).unwrap();
    let mut damage = |screen: &Device, cursor: &Device| {
        let mut desk =
            Desk(HashMap::from([(track("screen"), screen.frame()), (track("cursor"), cursor.frame())]));
        compositor.render(&scene, Timestamp::ZERO, &mut desk).unwrap().damage
    };
    assert_eq!(damage(&screen, &cursor), [Rect::whole(canvas)]);
    assert_eq!(damage(&screen, &cursor), []);
    // A new picture that says that nothing changed.
    screen.taken();
    screen.serial += 1;
    assert_eq!(damage(&screen, &cursor), []);
    // The same pointer elsewhere, and back again.
    cursor.origin = Point { x: 11, y: 3 };
    assert_eq!(damage(&screen, &cursor), [Rect::new(0, 0, 20, 12)]);
    // Damage since an older picture than the one that was drawn holds; damage since a newer one does not.
    screen.damage = Damage::Rects(vec![Rect::new(40, 40, 3, 3)]);
    screen.serial += 1;
    assert_eq!(damage(&screen, &cursor), [Rect::new(40, 40, 4, 4)]);
    (screen.taken, screen.serial) = (screen.serial + 1, screen.serial + 2);
    assert_eq!(damage(&screen, &cursor), [Rect::whole(canvas)]);
}

#[test]
fn a_layer_that_moves_damages_only_where_it_was_and_is() {
    let random = &mut Random(7);
    let canvas = Size::new(640, 480);
    let devices = HashMap::from([
        (track("screen"), Device::new(PixelFormat::Bgrx, canvas, random).frame()),
        (track("camera"), Device::new(PixelFormat::Nv12(Matrix::Bt601), Size::new(32, 24), random).frame()),
    ]);
    let mut desk = Desk(devices);
    let camera = |x| Layer {
        outline: Outline::Ellipse,
        ..Layer::plain(track("camera"), Rect::new(4, 0, 24, 24), Rect::new(x, 10, 90, 90))
    };
    let screen = Layer::plain(track("screen"), Rect::whole(canvas), Rect::whole(canvas));
    let scene = |layers| Scene { background: Color::BLACK, layers };
    let mut compositor = Compositor::new(canvas).unwrap();
    let mut damage = |layers| compositor.render(&scene(layers), Timestamp::ZERO, &mut desk).unwrap().damage;
    assert_eq!(damage(vec![screen.clone(), camera(20)]), [Rect::whole(canvas)]);
    assert_eq!(damage(vec![screen.clone(), camera(26)]), [Rect::new(20, 10, 96, 90)]);
    let faint = Layer { opacity: 0.5, ..camera(26) };
    assert_eq!(damage(vec![screen.clone(), faint]), [Rect::new(26, 10, 90, 90)]);
    assert_eq!(damage(vec![screen.clone()]), [Rect::new(26, 10, 90, 90)]);
    assert_eq!(damage(vec![screen.clone(), camera(500)]), [Rect::new(500, 10, 90, 90)]);
    assert_eq!(damage(vec![screen]), [Rect::new(500, 10, 90, 90)]);
}
