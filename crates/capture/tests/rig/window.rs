//! Windows that a test opens, and that know what they show.

use super::display::Painter;
use model::{Rect, Size};
use std::cell::{Cell, RefCell};
use x11rb::{
    connection::Connection as _,
    protocol::xproto::{
        self, AtomEnum, ChangeGCAux, Colormap, ColormapAlloc, ConfigureWindowAux, ConnectionExt as _,
        CreateGCAux, CreateWindowAux, EventMask, PropMode, Rectangle, StackMode, WindowClass,
    },
    wrapper::ConnectionExt as _,
};

/// Nothing a test opens has this colour.
const BLANK: u32 = 0xff_ffff;

/// A window of the painter's, and a copy of what is painted on it.
pub struct Pane<'a> {
    painter: &'a Painter,
    pub window: xproto::Window,
    context: xproto::Gcontext,
    size: Cell<Size>,
    shown: RefCell<Vec<u32>>,
}

impl<'a> Pane<'a> {
    /// Opens one on the root window, shown when this returns where nobody manages windows.
    pub fn open(painter: &'a Painter, area: Rect) -> Self {
        let depth = painter.server.setup().roots[0].root_depth;
        Self::open_with(painter, area, depth, 0)
    }

    /// The same, with this depth and width of border.
    pub fn open_with(painter: &'a Painter, area: Rect, depth: u8, border: u16) -> Self {
        Self::open_on(painter, painter.root, area, depth, border)
    }

    /// Opens one within another.
    pub fn open_within(&self, area: Rect) -> Self {
        Self::open_on(self.painter, self.window, area, 24, 0)
    }

    fn open_on(painter: &'a Painter, parent: xproto::Window, area: Rect, depth: u8, border: u16) -> Self {
        let server = &painter.server;
        let screen = &server.setup().roots[0];
        let visuals = screen.allowed_depths.iter().find(|known| known.depth == depth).unwrap();
        let visual = visuals.visuals.iter().find(|visual| visual.red_mask == 0xff_0000).unwrap().visual_id;
        let (window, context, colors): (_, _, Colormap) =
            (server.generate_id().unwrap(), server.generate_id().unwrap(), server.generate_id().unwrap());
        server.create_colormap(ColormapAlloc::NONE, colors, painter.root, visual).unwrap();
        let how = CreateWindowAux::new()
            .background_pixel(BLANK)
            .border_pixel(0xff_00ff)
            .colormap(colors)
            .event_mask(EventMask::STRUCTURE_NOTIFY);
        let (x, y) = (area.x.try_into().unwrap(), area.y.try_into().unwrap());
        let (width, height) = (area.width.try_into().unwrap(), area.height.try_into().unwrap());
        let class = WindowClass::INPUT_OUTPUT;
        let made = server
            .create_window(depth, window, parent, x, y, width, height, border, class, visual, &how)
            .unwrap();
        made.check().unwrap();
        server.create_gc(context, window, &CreateGCAux::new()).unwrap().check().unwrap();
        server.map_window(window).unwrap().check().unwrap();
        let shown = vec![BLANK; area.area() as usize];
        Self { painter, window, context, size: Cell::new(area.size()), shown: RefCell::new(shown) }
    }

    pub fn id(&self) -> String {
        format!("x11:window:{:#x}", self.window)
    }

    /// What people call it.
    pub fn name(&self, title: &str, class: &str) {
        let server = &self.painter.server;
        let atom = |name: &str| server.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
        let set = |property: u32, kind: u32, text: &str| {
            let done =
                server.change_property8(PropMode::REPLACE, self.window, property, kind, text.as_bytes());
            done.unwrap().check().unwrap();
        };
        set(atom("_NET_WM_NAME"), atom("UTF8_STRING"), title);
        set(
            AtomEnum::WM_CLASS.into(),
            AtomEnum::STRING.into(),
            &format!("{}\0{class}\0", class.to_lowercase()),
        );
    }

    /// Fills a rectangle of it; done when this returns.
    pub fn fill(&self, area: Rect, color: u32) {
        let server = &self.painter.server;
        server.change_gc(self.context, &ChangeGCAux::new().foreground(color)).unwrap();
        let Some(area) = area.intersect(Rect::whole(self.size.get())) else { return };
        let filled = Rectangle {
            x: area.x.try_into().unwrap(),
            y: area.y.try_into().unwrap(),
            width: area.width.try_into().unwrap(),
            height: area.height.try_into().unwrap(),
        };
        server.poly_fill_rectangle(self.window, self.context, &[filled]).unwrap().check().unwrap();
        let mut shown = self.shown.borrow_mut();
        for y in area.y..area.bottom() {
            let start = y as usize * self.size.get().width as usize + area.x as usize;
            shown[start..start + area.width as usize].fill(color);
        }
    }

    /// Fills all of it.
    pub fn paint(&self, color: u32) {
        self.fill(Rect::whole(self.size.get()), color);
    }

    /// Whether a picture shows what was painted, whatever its alpha.
    pub fn is_shown_by(&self, pixels: &[u8]) -> bool {
        let shown = self.shown.borrow();
        let same = |(pixel, color): (&[u8], &u32)| pixel[..3] == color.to_le_bytes()[..3];
        pixels.len() == 4 * shown.len() && pixels.chunks(4).zip(shown.iter()).all(same)
    }

    pub fn move_to(&self, x: i32, y: i32) {
        self.configure(&ConfigureWindowAux::new().x(x).y(y));
    }

    pub fn resize(&self, size: Size) {
        self.configure(&ConfigureWindowAux::new().width(size.width).height(size.height));
        self.size.set(size);
        *self.shown.borrow_mut() = vec![BLANK; Rect::whole(size).area() as usize];
    }

    /// Above all others.
    pub fn raise(&self) {
        self.configure(&ConfigureWindowAux::new().stack_mode(StackMode::ABOVE));
    }

    fn configure(&self, how: &ConfigureWindowAux) {
        self.painter.server.configure_window(self.window, how).unwrap().check().unwrap();
    }

    pub fn hide(&self) {
        self.painter.server.unmap_window(self.window).unwrap().check().unwrap();
    }

    pub fn show(&self) {
        self.painter.server.map_window(self.window).unwrap().check().unwrap();
    }

    pub fn close(self) {
        self.painter.server.destroy_window(self.window).unwrap().check().unwrap();
    }
}
