//! A film of which every picture is known to the pixel, shown on a display.

use anyhow::{Context, Result, ensure};
use spool_tests::{Display, tool};
use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use x11rb::{
    connection::Connection,
    protocol::xproto::{
        ConnectionExt, CreateGCAux, CreateWindowAux, Gcontext, ImageFormat, Pixmap, Window, WindowClass,
    },
    rust_connection::RustConnection,
};

/// Pictures in the film; then it begins again.
pub(crate) const PICTURES: usize = 60;
/// Pixels along each side of a cell of the number that each picture carries in its top left corner.
const CELL: usize = 32;
/// Cells of the number; as many again hold its opposite.
const BITS: usize = 6;

/// The pictures, four bytes a pixel: blue, green, red and one that says nothing.
pub(crate) struct Clip {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pictures: Vec<Vec<u8>>,
}

impl Clip {
    /// FFmpeg's second test picture: much moves, all of it is sharp.
    pub(crate) fn render(width: u16, height: u16) -> Result<Self> {
        let source = format!("testsrc2=size={width}x{height}:rate=30");
        let mut command: Command = tool("ffmpeg");
        command.args(["-v", "error", "-f", "lavfi", "-i", &source, "-frames:v", &PICTURES.to_string()]);
        let output = command.args(["-pix_fmt", "bgr0", "-f", "rawvideo", "-"]).output()?;
        let (width, height) = (usize::from(width), usize::from(height));
        let pictures: Vec<Vec<u8>> =
            output.stdout.chunks_exact(width * height * 4).map(<[u8]>::to_vec).collect();
        ensure!(pictures.len() == PICTURES, "ffmpeg gave {} pictures", pictures.len());
        let mut clip = Self { width, height, pictures };
        for number in 0..PICTURES {
            clip.mark(number);
        }
        Ok(clip)
    }

    /// A picture of the film.
    pub(crate) fn picture(&self, number: usize) -> &[u8] {
        &self.pictures[number]
    }

    /// The number that a picture carries, if it carries one; `luma` tells the brightness of a pixel.
    pub(crate) fn number(luma: impl Fn(usize, usize) -> u8) -> Option<usize> {
        let cells: Option<Vec<bool>> = (0..2 * BITS)
            .map(|cell| match luma(cell * CELL + CELL / 2, CELL / 2) {
                0..=80 => Some(false),
                170..=255 => Some(true),
                _ => None,
            })
            .collect();
        let cells = cells?;
        let (number, opposite) = cells.split_at(BITS);
        let is_one = number.iter().zip(opposite).all(|(one, other)| one != other);
        let value = number.iter().enumerate().fold(0, |value, (bit, set)| value | usize::from(*set) << bit);
        is_one.then_some(value).filter(|value| *value < PICTURES)
    }

    fn mark(&mut self, number: usize) {
        for cell in 0..2 * BITS {
            let set = number >> (cell % BITS) & 1 == 1;
            let value = if set == (cell < BITS) { 255 } else { 0 };
            for row in 0..CELL {
                let start = (row * self.width + cell * CELL) * 4;
                self.pictures[number][start..start + CELL * 4].fill(value);
            }
        }
    }
}

/// Shows the film thirty times a second, until it is dropped. The pictures lie in the server: showing one is a copy.
pub(crate) struct Show {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Show {
    /// With its top left corner there.
    pub(crate) fn start(display: &Display, clip: &Clip, at: (i16, i16)) -> Result<Self> {
        let screen = Screen::new(display.connect(), clip, at)?;
        let ended: Arc<AtomicBool> = Arc::default();
        let thread = thread::spawn({
            let ended = Arc::clone(&ended);
            move || screen.run(&ended)
        });
        Ok(Self { ended, thread: Some(thread) })
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

struct Screen {
    server: RustConnection,
    window: Window,
    gc: Gcontext,
    pictures: Vec<Pixmap>,
    size: (u16, u16),
}

impl Screen {
    fn new(server: RustConnection, clip: &Clip, (x, y): (i16, i16)) -> Result<Self> {
        let root = server.setup().roots[0].clone();
        let (width, height) = (u16::try_from(clip.width)?, u16::try_from(clip.height)?);
        let (window, gc) = (server.generate_id()?, server.generate_id()?);
        let aux = CreateWindowAux::new().override_redirect(1);
        let (depth, class) = (root.root_depth, WindowClass::INPUT_OUTPUT);
        server.create_window(depth, window, root.root, x, y, width, height, 0, class, 0, &aux)?;
        server.create_gc(gc, window, &CreateGCAux::new().graphics_exposures(0))?;
        let mut pictures = Vec::new();
        for picture in &clip.pictures {
            let pixmap = server.generate_id()?;
            server.create_pixmap(depth, pixmap, window, width, height)?;
            // In bands, since a request has a greatest length.
            let rows = 64;
            for (band, bytes) in picture.chunks(clip.width * 4 * rows).enumerate() {
                let height = u16::try_from(bytes.len() / (clip.width * 4))?;
                let top = i16::try_from(band * rows)?;
                server.put_image(
                    ImageFormat::Z_PIXMAP,
                    pixmap,
                    gc,
                    width,
                    height,
                    0,
                    top,
                    0,
                    depth,
                    bytes,
                )?;
            }
            pictures.push(pixmap);
        }
        server.map_window(window)?;
        let screen = Self { server, window, gc, pictures, size: (width, height) };
        screen.show(0).context("the X server is gone")?;
        Ok(screen)
    }

    fn run(&self, ended: &AtomicBool) {
        let start = Instant::now();
        for count in 0u32.. {
            if ended.load(Ordering::Relaxed) || self.show(count as usize % self.pictures.len()).is_none() {
                return;
            }
            let next = start + Duration::from_secs(1) / 30 * (count + 1);
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    fn show(&self, number: usize) -> Option<()> {
        let (width, height) = self.size;
        self.server.copy_area(self.pictures[number], self.window, self.gc, 0, 0, 0, 0, width, height).ok()?;
        // Its answer comes after the picture was drawn.
        self.server.get_input_focus().ok()?.reply().ok().map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Pixmaps end with the connection; the server may be gone already.
        let _gone = self.server.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_carry_their_number() {
        let (width, height) = (640, 360);
        let mut clip = Clip { width, height, pictures: vec![vec![128; width * height * 4]; PICTURES] };
        for number in 0..PICTURES {
            let read = |clip: &Clip| Clip::number(|x, y| clip.picture(number)[(y * width + x) * 4]);
            assert_eq!(read(&clip), None);
            clip.mark(number);
            assert_eq!(read(&clip), Some(number));
        }
    }
}
