//! Drawing what changed gives the bytes that drawing everything gives, whatever changes.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use model::{
    Color, Damage, Frame, Frames, Layer, Matrix, PixelFormat, Planes, Point, Rect, Scene, Size, Timestamp,
    TrackId,
};
use spool_compose::Compositor;
use std::collections::HashMap;

/// A sequence that looks random and is the same each time (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u32) -> u32 {
        (self.next() % u64::from(end)) as u32
    }

    fn one_in(&mut self, chances: u32) -> bool {
        self.below(chances) == 0
    }

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
        if matches!(self.picture.format, PixelFormat::Nv12(_)) || random.one_in(8) {
            self.bytes.fill_with(|| random.next() as u8);
            self.damage = Damage::All;
        } else {
            for y in 0..self.picture.size.height as i32 {
                for x in 0..self.picture.size.width as i32 {
                    if rect.intersect(Rect::new(x, y, 1, 1)).is_some() {
                        let at = y as usize * self.picture.stride + x as usize * 4;
                        self.bytes[at..at + 4].copy_from_slice(&(random.next() as u32).to_le_bytes());
                    }
                }
            }
            self.damage = self.damage.clone().union(&Damage::Rects(vec![rect]));
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

fn random_scene(canvas: Size, random: &mut Random) -> Scene {
    let mut layer = |name: &str, scaled: bool| {
        let crop = Rect::new(random.below(9) as i32 - 3, random.below(9) as i32 - 3, 40, 30);
        let (x, y) = (random.below(60) as i32 - 10, random.below(50) as i32 - 10);
        let size = match scaled {
            true => Size::new(1 + random.below(canvas.width + 20), 1 + random.below(canvas.height + 20)),
            false => crop.size(),
        };
        let opacity = [1.0, 1.0, 0.5, 0.01, 0.0][random.below(5) as usize];
        let place = Rect::new(x, y, size.width, size.height);
        Layer { opacity, ..Layer::plain(track(name), crop, place) }
    };
    let layers =
        vec![layer("screen", false), layer("screen", true), layer("camera", true), layer("cursor", true)];
    let count = random.below(5) as usize;
    let mut layers: Vec<_> = layers.into_iter().take(count).collect();
    if let [.., last] = &mut layers[..] {
        // The usual case too: all of the screen, fitted or as it is, and a pointer on it.
        let whole = Rect::whole(canvas);
        let crop = if random.one_in(2) { whole } else { Rect::new(0, 0, 48, 36) };
        *last = Layer::plain(track("screen"), crop, whole);
        layers.push(Layer::plain(track("cursor"), crop, whole));
    }
    Scene { background: Color { red: random.next() as u8, green: 90, blue: 7 }, layers }
}

/// One story from a seed: things change, and after each change both ways of drawing must agree.
fn check(seed: u64) {
    let random = &mut Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let canvas = Size::new(64, 48);
    let mut devices = HashMap::from([
        ("screen", Device::new(PixelFormat::Bgrx, canvas, random)),
        ("camera", Device::new(PixelFormat::Nv12(Matrix::Bt709), Size::new(32, 24), random)),
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
        if random.one_in(6) {
            scene = random_scene(canvas, random);
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
    (0..300).for_each(check);
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
