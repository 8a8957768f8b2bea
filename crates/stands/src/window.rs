//! Windows of an X display: what tests draw on, move about, cover and close.

use crate::{
    display::Display,
    process::{Running, server, wait_for},
};
use std::{process::Stdio, time::Duration};
use x11rb::{
    CURRENT_TIME, NONE,
    connection::Connection,
    protocol::xproto::{
        AtomEnum, ChangeGCAux, ClientMessageEvent, ConfigureWindowAux, ConnectionExt, CreateGCAux,
        CreateWindowAux, Drawable, EventMask, Gcontext, MapState, PropMode, Rectangle, StackMode,
        Window as Id, WindowClass,
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

/// A window that a window manager treats like that of any application. Closes when dropped.
#[derive(Debug)]
pub struct Window {
    server: RustConnection,
    display: String,
    id: Id,
}

impl Window {
    /// Opens one at this place (x, y, width, height) and waits until it can be seen.
    pub fn open(display: &Display, title: &str, place: (i16, i16, u16, u16)) -> Self {
        let server = display.connect();
        let id = create(&server, place, CreateWindowAux::new()).expect("the X server listens");
        let window = Self { server, display: display.name().to_owned(), id };
        window.describe(title).expect("the X server listens");
        window.map();
        window.move_to(place.0, place.1);
        window
    }

    fn describe(&self, title: &str) -> Result<(), Box<dyn std::error::Error>> {
        let atom = |name: &str| {
            Ok::<_, Box<dyn std::error::Error>>(
                self.server.intern_atom(false, name.as_bytes())?.reply()?.atom,
            )
        };
        let (mode, text) = (PropMode::REPLACE, atom("UTF8_STRING")?);
        self.server.change_property8(mode, self.id, atom("_NET_WM_NAME")?, text, title.as_bytes())?;
        let plain = AtomEnum::STRING;
        self.server.change_property8(mode, self.id, AtomEnum::WM_NAME, plain, title.as_bytes())?;
        self.server.change_property8(mode, self.id, AtomEnum::WM_CLASS, plain, b"stand\0Stand\0")?;
        let kind = [atom("_NET_WM_WINDOW_TYPE_NORMAL")?];
        self.server.change_property32(mode, self.id, atom("_NET_WM_WINDOW_TYPE")?, AtomEnum::ATOM, &kind)?;
        // No frame, so that its place is that of its picture: flags say that only decorations are asked for.
        let hints = atom("_MOTIF_WM_HINTS")?;
        self.server.change_property32(mode, self.id, hints, hints, &[2, 0, 0, 0, 0])?;
        Ok(())
    }

    /// Its number on the display.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Shows it again after [`Self::minimize`].
    pub fn map(&self) {
        let mapped = self.server.map_window(self.id).map(drop);
        mapped.expect("the X server listens");
        let is_seen = || is_viewable(&self.server, self.id).then_some(());
        wait_for("the window", Duration::from_secs(5), is_seen);
    }

    /// Puts its upper left corner there, and waits until it is.
    pub fn move_to(&self, x: i16, y: i16) {
        self.configure(&ConfigureWindowAux::new().x(i32::from(x)).y(i32::from(y)));
        let root = self.server.setup().roots[0].root;
        wait_for("the window to move", Duration::from_secs(5), || {
            let place = self.server.translate_coordinates(self.id, root, 0, 0).ok()?.reply().ok()?;
            ((place.dst_x, place.dst_y) == (x, y)).then_some(())
        });
    }

    /// Gives it another size, and waits until it has it.
    pub fn resize(&self, width: u16, height: u16) {
        self.configure(&ConfigureWindowAux::new().width(u32::from(width)).height(u32::from(height)));
        wait_for("the window's new size", Duration::from_secs(5), || {
            let now = self.server.get_geometry(self.id).ok()?.reply().ok()?;
            ((now.width, now.height) == (width, height)).then_some(())
        });
    }

    /// Puts it in front of all others.
    pub fn raise(&self) {
        self.configure(&ConfigureWindowAux::new().stack_mode(StackMode::ABOVE));
    }

    fn configure(&self, change: &ConfigureWindowAux) {
        let sent = self.server.configure_window(self.id, change).map(drop);
        sent.expect("the X server listens");
        self.settle();
    }

    /// Asks the window manager to make it an icon.
    pub fn minimize(&self) {
        let ask = || -> Result<(), Box<dyn std::error::Error>> {
            let change = self.server.intern_atom(false, b"WM_CHANGE_STATE")?.reply()?.atom;
            let iconic = 3_u32;
            let message = ClientMessageEvent::new(32, self.id, change, [iconic, 0, 0, 0, 0]);
            let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
            self.server.send_event(false, self.server.setup().roots[0].root, mask, message)?;
            Ok(())
        };
        ask().expect("the X server listens");
        self.settle();
    }

    /// Fills it with one colour, as 0xRRGGBB.
    pub fn fill(&self, color: u32) {
        let mut canvas = self.canvas();
        canvas.paint_in(color, |size| vec![(0, 0, size.0, size.1)]).expect("the window is open");
    }

    /// Closes it.
    pub fn close(self) {}

    /// To draw on it from another thread.
    pub(crate) fn canvas(&self) -> Canvas {
        let server = RustConnection::connect(Some(&self.display)).expect("the X server takes connections").0;
        Canvas { server, window: self.id, buffer: None }
    }

    /// Its answer comes after everything before it was done.
    fn settle(&self) {
        let focus = self.server.get_input_focus().map(|cookie| cookie.reply().is_ok());
        assert!(focus.unwrap_or(false), "the X server answers");
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _gone = self.server.destroy_window(self.id);
        let _gone = self.server.get_input_focus().map(|cookie| cookie.reply());
    }
}

fn create(
    server: &RustConnection,
    (x, y, width, height): (i16, i16, u16, u16),
    aux: CreateWindowAux,
) -> Result<Id, Box<dyn std::error::Error>> {
    let screen = &server.setup().roots[0];
    let id = server.generate_id()?;
    let aux = aux.background_pixel(screen.black_pixel);
    let class = WindowClass::INPUT_OUTPUT;
    server
        .create_window(screen.root_depth, id, screen.root, x, y, width, height, 0, class, 0, &aux)?
        .check()?;
    Ok(id)
}

/// Where pictures are drawn out of sight, to appear in a window as a whole.
#[derive(Debug)]
pub(crate) struct Canvas {
    server: RustConnection,
    window: Id,
    buffer: Option<Buffer>,
}

#[derive(Debug, Clone, Copy)]
struct Buffer {
    size: (u16, u16),
    pixmap: Drawable,
    context: Gcontext,
}

impl Canvas {
    /// On a window of its own that no window manager touches.
    pub(crate) fn unmanaged(server: RustConnection, place: (i16, i16, u16, u16)) -> Self {
        let window = create(&server, place, CreateWindowAux::new().override_redirect(1))
            .expect("the X server listens");
        let mapped = server.map_window(window).map(drop);
        mapped.expect("the X server listens");
        Self { server, window, buffer: None }
    }

    /// Shows white rectangles on black, and returns when the server has drawn them; none if the window is gone.
    pub(crate) fn paint(
        &mut self,
        white: impl FnOnce((u16, u16)) -> Vec<(u16, u16, u16, u16)>,
    ) -> Option<()> {
        self.paint_in(0xFF_FFFF, white)
    }

    fn paint_in(
        &mut self,
        color: u32,
        areas: impl FnOnce((u16, u16)) -> Vec<(u16, u16, u16, u16)>,
    ) -> Option<()> {
        let Buffer { size, pixmap, context } = self.buffer()?;
        let (server, window) = (&self.server, self.window);
        let fill = |color: u32, areas: &[Rectangle]| {
            let change = ChangeGCAux::new().foreground(color);
            server.change_gc(context, &change).ok()?;
            server.poly_fill_rectangle(pixmap, context, areas).ok().map(drop)
        };
        let areas = areas(size).into_iter().map(|(x, y, width, height)| Rectangle {
            x: x.cast_signed(),
            y: y.cast_signed(),
            width,
            height,
        });
        fill(0, &[Rectangle { x: 0, y: 0, width: size.0, height: size.1 }])?;
        fill(color, &areas.collect::<Vec<_>>())?;
        server.copy_area(pixmap, window, context, 0, 0, 0, 0, size.0, size.1).ok()?;
        // Its answer comes after everything before it was drawn.
        server.get_input_focus().ok()?.reply().ok().map(drop)
    }

    /// Of the window's size.
    fn buffer(&mut self) -> Option<Buffer> {
        let now = self.server.get_geometry(self.window).ok()?.reply().ok()?;
        let size = (now.width, now.height);
        if let Some(buffer) = self.buffer.filter(|buffer| buffer.size == size) {
            return Some(buffer);
        }
        if let Some(old) = self.buffer.take() {
            self.server.free_gc(old.context).ok()?;
            self.server.free_pixmap(old.pixmap).ok()?;
        }
        let (pixmap, context) = (self.server.generate_id().ok()?, self.server.generate_id().ok()?);
        self.server.create_pixmap(now.depth, pixmap, self.window, size.0, size.1).ok()?;
        self.server.create_gc(context, pixmap, &CreateGCAux::new().graphics_exposures(0)).ok()?;
        self.buffer = Some(Buffer { size, pixmap, context });
        self.buffer
    }
}

/// Puts a window manager in charge of the display, for as long as the guard lives.
pub fn manage(display: &Display) -> Running {
    let mut command = server("openbox");
    command.arg("--sm-disable").env("DISPLAY", display.name()).stdout(Stdio::null()).stderr(Stdio::null());
    let manager = Running::start(&mut command);
    let connection = display.connect();
    let root = connection.setup().roots[0].root;
    wait_for("the window manager", Duration::from_secs(10), || {
        let name = connection.intern_atom(false, b"_NET_SUPPORTING_WM_CHECK").ok()?.reply().ok()?.atom;
        let found = connection.get_property(false, root, name, AtomEnum::WINDOW, 0, 1).ok()?.reply().ok()?;
        found.value32()?.next().filter(|window| *window != NONE).map(drop)
    });
    // It takes the display over before it heeds windows, so one window asks until it is heeded. The next client may
    // be given the same number for a window of its own, so this one must be forgotten before.
    let first = create(&connection, (0, 0, 1, 1), CreateWindowAux::new()).expect("the X server listens");
    wait_for("the window manager to work", Duration::from_secs(10), || {
        connection.map_window(first).ok()?;
        (is_viewable(&connection, first) && !managed(&connection)?.is_empty()).then_some(())
    });
    connection.destroy_window(first).map(drop).expect("the X server listens");
    wait_for("the window manager to forget", Duration::from_secs(10), || {
        managed(&connection)?.is_empty().then_some(())
    });
    manager
}

/// The windows that the window manager knows.
fn managed(server: &RustConnection) -> Option<Vec<Id>> {
    let root = server.setup().roots[0].root;
    let name = server.intern_atom(false, b"_NET_CLIENT_LIST").ok()?.reply().ok()?.atom;
    let list = server.get_property(false, root, name, AtomEnum::WINDOW, 0, 1024).ok()?.reply().ok()?;
    Some(list.value32().map(Iterator::collect).unwrap_or_default())
}

fn is_viewable(server: &RustConnection, window: Id) -> bool {
    let found = server.get_window_attributes(window).ok().and_then(|cookie| cookie.reply().ok());
    found.is_some_and(|found| found.map_state == MapState::VIEWABLE)
}

/// A pointer and a keyboard that a test uses like a person's.
#[derive(Debug)]
pub struct Hands {
    server: RustConnection,
}

impl Hands {
    /// At this display.
    pub fn at(display: &Display) -> Self {
        Self { server: display.connect() }
    }

    /// Moves the pointer.
    pub fn point(&self, x: i16, y: i16) {
        let root = self.server.setup().roots[0].root;
        let moved = self.server.warp_pointer(NONE, root, 0, 0, 0, 0, x, y).map(drop);
        moved.expect("the X server listens");
        self.settle();
    }

    /// Presses and releases a button of the mouse: 1 is the left one.
    pub fn click(&self, button: u8) {
        const PRESS: u8 = 4;
        self.event(PRESS, button);
        self.event(PRESS + 1, button);
    }

    /// Presses and releases the key that bears this character.
    pub fn press(&self, character: char) {
        const PRESS: u8 = 2;
        let key = self.key(u32::from(character)).unwrap_or_else(|| panic!("no key bears {character:?}"));
        self.event(PRESS, key);
        self.event(PRESS + 1, key);
    }

    /// Holds keys one after the other, then lets go of them; they are named by their symbols.
    pub fn chord(&self, symbols: &[u32]) {
        const PRESS: u8 = 2;
        let key = |symbol: &u32| self.key(*symbol).unwrap_or_else(|| panic!("no key bears {symbol:#x}"));
        let keys: Vec<u8> = symbols.iter().map(key).collect();
        for key in &keys {
            self.event(PRESS, *key);
        }
        for key in keys.iter().rev() {
            self.event(PRESS + 1, *key);
        }
    }

    /// Latin characters are their own symbols.
    fn key(&self, symbol: u32) -> Option<u8> {
        let (first, last) = (self.server.setup().min_keycode, self.server.setup().max_keycode);
        let map = self.server.get_keyboard_mapping(first, last - first + 1).ok()?.reply().ok()?;
        let across = usize::from(map.keysyms_per_keycode).max(1);
        let row = map.keysyms.chunks(across).position(|row| row.first() == Some(&symbol))?;
        Some(first + u8::try_from(row).ok()?)
    }

    fn event(&self, kind: u8, detail: u8) {
        use x11rb::protocol::xtest::ConnectionExt as _;
        let root = self.server.setup().roots[0].root;
        let sent = self.server.xtest_fake_input(kind, detail, CURRENT_TIME, root, 0, 0, 0).map(drop);
        sent.expect("the X server listens");
        self.settle();
    }

    fn settle(&self) {
        let focus = self.server.get_input_focus().map(|cookie| cookie.reply().is_ok());
        assert!(focus.unwrap_or(false), "the X server answers");
    }
}
