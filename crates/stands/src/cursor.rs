//! A large white pointer on a black screen.

use crate::display::Display;
use x11rb::{
    connection::Connection,
    protocol::xproto::{ConnectionExt, CreateGCAux, CreateWindowAux, Pixmap, Rectangle, Window, WindowClass},
    rust_connection::RustConnection,
};

/// A pointer that goes where it is told, until the guard is dropped.
#[derive(Debug)]
pub struct Cursor {
    server: RustConnection,
    window: Window,
}

impl Cursor {
    /// A white square with sides of `side` pixels whose middle is its place.
    pub fn show(display: &Display, side: u16) -> Self {
        let server = display.connect();
        let window = Self::window(&server, side).expect("the X server listens");
        Self { server, window }
    }

    fn window(server: &RustConnection, side: u16) -> Result<Window, Box<dyn std::error::Error>> {
        let screen = &server.setup().roots[0];
        let square: Pixmap = server.generate_id()?;
        server.create_pixmap(1, square, screen.root, side, side)?;
        let gc = server.generate_id()?;
        server.create_gc(gc, square, &CreateGCAux::new().foreground(1))?;
        server.poly_fill_rectangle(square, gc, &[Rectangle { x: 0, y: 0, width: side, height: side }])?;
        let cursor = server.generate_id()?;
        server.create_cursor(
            cursor,
            square,
            square,
            u16::MAX,
            u16::MAX,
            u16::MAX,
            0,
            0,
            0,
            side / 2,
            side / 2,
        )?;
        let window = server.generate_id()?;
        let aux =
            CreateWindowAux::new().background_pixel(screen.black_pixel).override_redirect(1).cursor(cursor);
        let (width, height, class) =
            (screen.width_in_pixels, screen.height_in_pixels, WindowClass::INPUT_OUTPUT);
        server.create_window(
            screen.root_depth,
            window,
            screen.root,
            0,
            0,
            width,
            height,
            0,
            class,
            0,
            &aux,
        )?;
        server.map_window(window)?;
        server.get_input_focus()?.reply()?;
        Ok(window)
    }

    /// Puts it there.
    pub fn move_to(&self, x: i16, y: i16) {
        let moved = self.server.warp_pointer(x11rb::NONE, self.window, 0, 0, 0, 0, x, y).map(drop);
        moved.expect("the X server listens");
        // Its answer comes after the pointer has moved.
        let focus = self.server.get_input_focus().map(|cookie| cookie.reply().is_ok());
        assert!(focus.unwrap_or(false), "the X server answers");
    }
}
