//! A part of a Wayland output that a test draws on.

use super::Wayland;
use rustix::fs::{MemfdFlags, memfd_create};
use std::{
    fs::File,
    os::{
        fd::AsFd as _,
        unix::{fs::FileExt as _, net::UnixStream},
    },
};
use wayland_client::{
    Connection, Dispatch, EventQueue, QueueHandle, delegate_noop,
    globals::{GlobalListContents, registry_queue_init},
    protocol::{
        wl_buffer::WlBuffer,
        wl_callback::{self, WlCallback},
        wl_compositor::WlCompositor,
        wl_output::{self, WlOutput},
        wl_registry::{self, WlRegistry},
        wl_shm::{self, WlShm},
        wl_shm_pool::WlShmPool,
        wl_surface::WlSurface,
    },
};
use wayland_protocols_wlr::layer_shell::v1::client::{
    zwlr_layer_shell_v1::{Layer, ZwlrLayerShellV1},
    zwlr_layer_surface_v1::{self, Anchor, ZwlrLayerSurfaceV1},
};

/// A surface above all windows, at a fixed place. Gone when dropped.
#[derive(Debug)]
pub struct Sheet {
    queue: EventQueue<State>,
    state: State,
    surface: WlSurface,
    memory: File,
    // One is drawn while the compositor has the other.
    buffers: [WlBuffer; 2],
    turn: usize,
    size: (u16, u16),
}

/// What the compositor has told.
#[derive(Debug, Default)]
struct State {
    outputs: Vec<(WlOutput, String)>,
    is_placed: bool,
    is_shown: bool,
    is_closed: bool,
}

impl Sheet {
    /// On this part (x, y, width, height) of an output.
    pub fn open(desktop: &Wayland, output: &str, part: (i16, i16, u16, u16)) -> Self {
        let stream = UnixStream::connect(desktop.socket()).expect("the compositor takes connections");
        let connection = Connection::from_socket(stream).expect("it speaks Wayland");
        Self::place(&connection, output, part).expect("the compositor shows what it is given")
    }

    fn place(
        connection: &Connection,
        output: &str,
        (x, y, width, height): (i16, i16, u16, u16),
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let (globals, mut queue) = registry_queue_init::<State>(connection)?;
        let handle = queue.handle();
        let compositor: WlCompositor = globals.bind(&handle, 4..=4, ())?;
        let shm: WlShm = globals.bind(&handle, 1..=1, ())?;
        let shell: ZwlrLayerShellV1 = globals.bind(&handle, 1..=4, ())?;
        for global in globals.contents().clone_list() {
            if global.interface == "wl_output" {
                globals.registry().bind::<WlOutput, _, _>(global.name, 4, &handle, ());
            }
        }
        let mut state = State::default();
        queue.roundtrip(&mut state)?;
        let wanted = state.outputs.iter().find(|(_, name)| name == output);
        let (wanted, _) = wanted.ok_or_else(|| format!("no output is called {output}"))?;

        let surface = compositor.create_surface(&handle, ());
        let name = "stand".to_owned();
        let place = shell.get_layer_surface(&surface, Some(wanted), Layer::Overlay, name, &handle, ());
        place.set_anchor(Anchor::Top | Anchor::Left);
        place.set_margin(i32::from(y), 0, 0, i32::from(x));
        place.set_size(u32::from(width), u32::from(height));
        place.set_exclusive_zone(-1);
        surface.commit();
        while !state.is_placed && !state.is_closed {
            queue.blocking_dispatch(&mut state)?;
        }

        let (across, down) = (i32::from(width), i32::from(height));
        let bytes = 4 * across * down;
        let memory = File::from(memfd_create("sheet", MemfdFlags::CLOEXEC)?);
        memory.set_len(2 * u64::try_from(bytes)?)?;
        let pool = shm.create_pool(memory.as_fd(), 2 * bytes, &handle, ());
        let buffer =
            |at: i32| pool.create_buffer(at, across, down, 4 * across, wl_shm::Format::Xrgb8888, &handle, ());
        let buffers = [buffer(0), buffer(bytes)];
        Ok(Self { queue, state, surface, memory, buffers, turn: 0, size: (width, height) })
    }

    /// Shows white rectangles on black, and returns when the compositor has drawn them; none if it or the output is
    /// gone.
    pub(crate) fn paint(
        &mut self,
        white: impl FnOnce((u16, u16)) -> Vec<(u16, u16, u16, u16)>,
    ) -> Option<()> {
        self.show(0, 0xFF_FFFF, &white(self.size))
    }

    /// Shows one colour, as 0xRRGGBB.
    pub fn fill(&mut self, color: u32) {
        self.show(color, color, &[]).expect("the output is there");
    }

    fn show(&mut self, ground: u32, color: u32, areas: &[(u16, u16, u16, u16)]) -> Option<()> {
        let (width, height) = (usize::from(self.size.0), usize::from(self.size.1));
        let mut picture = ground.to_le_bytes().repeat(width * height);
        for (x, y, across, down) in areas
            .iter()
            .map(|area| (usize::from(area.0), usize::from(area.1), usize::from(area.2), usize::from(area.3)))
        {
            let row = color.to_le_bytes().repeat(across);
            for line in y..y + down {
                let start = 4 * (line * width + x);
                picture[start..start + row.len()].copy_from_slice(&row);
            }
        }
        self.turn = 1 - self.turn;
        self.memory.write_all_at(&picture, (self.turn * picture.len()) as u64).ok()?;
        self.surface.attach(Some(&self.buffers[self.turn]), 0, 0);
        self.surface.damage_buffer(0, 0, i32::MAX, i32::MAX);
        self.state.is_shown = false;
        self.surface.frame(&self.queue.handle(), ());
        self.surface.commit();
        while !self.state.is_shown {
            self.queue.blocking_dispatch(&mut self.state).ok()?;
            if self.state.is_closed {
                return None;
            }
        }
        Some(())
    }
}

impl Dispatch<WlRegistry, GlobalListContents> for State {
    fn event(
        _: &mut Self,
        _: &WlRegistry,
        _: wl_registry::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

impl Dispatch<WlOutput, ()> for State {
    fn event(
        state: &mut Self,
        output: &WlOutput,
        event: wl_output::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_output::Event::Name { name } = event {
            state.outputs.push((output.clone(), name));
        }
    }
}

impl Dispatch<ZwlrLayerSurfaceV1, ()> for State {
    fn event(
        state: &mut Self,
        place: &ZwlrLayerSurfaceV1,
        event: zwlr_layer_surface_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            zwlr_layer_surface_v1::Event::Configure { serial, .. } => {
                place.ack_configure(serial);
                state.is_placed = true;
            }
            _ => state.is_closed = true,
        }
    }
}

impl Dispatch<WlCallback, ()> for State {
    fn event(
        state: &mut Self,
        _: &WlCallback,
        _: wl_callback::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        state.is_shown = true;
    }
}

delegate_noop!(State: WlCompositor);
delegate_noop!(State: ZwlrLayerShellV1);
delegate_noop!(State: WlShmPool);
delegate_noop!(State: ignore WlShm);
delegate_noop!(State: ignore WlSurface);
delegate_noop!(State: ignore WlBuffer);
