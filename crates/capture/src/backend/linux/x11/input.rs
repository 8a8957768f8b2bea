//! Clicks and keys, as samples of their own.
//!
//! They are told by XInput's raw events, which every program may hear and nobody is kept from: nothing is grabbed.
//! **Keys are heard only if whoever records asked for them**, since what is typed may be a password; of a window, only
//! while it has the focus. Buttons are told where they go down within the picture. What went down is told when it
//! comes up, wherever that is, so that nothing stays down for ever. Wheels are buttons to the server and not to people.

use super::{display::Display, fault::Fault, keys::Keyboard, pointer::Place, target::View};
use crate::{SampleContent, SampleSink};
use model::{HostTime, InputEvent, Point};
use std::collections::BTreeMap;
use x11rb::{
    connection::Connection as _,
    protocol::{
        Event,
        xinput::{self, ConnectionExt as _, KeyEventFlags, XIEventMask},
        xproto::{ConnectionExt as _, InputFocus},
    },
};

/// Up, down, left and right of a wheel, as the core protocol counts.
const WHEEL: std::ops::RangeInclusive<u8> = 4..=7;
/// More windows within each other than any toolkit has.
const DEPTH_MAX: usize = 32;

/// What is known of buttons and keys.
#[derive(Default)]
pub(super) struct Inputs {
    /// What each button of a mouse was made, left-handed or not.
    buttons: Vec<u8>,
    keyboard: Option<Keyboard>,
    is_current: bool,
    buttons_down: BTreeMap<u8, Point>,
    keys_down: BTreeMap<u8, String>,
}

impl Inputs {
    /// Asks to be told; of keys only where somebody wants them.
    pub fn select(display: &Display, keys: bool) -> Result<(), Fault> {
        if !display.has_inputs {
            tracing::info!("the X server has no XInput 2.1: clicks and keys are not recorded");
            return Ok(());
        }
        let buttons = XIEventMask::RAW_BUTTON_PRESS | XIEventMask::RAW_BUTTON_RELEASE;
        let keyboard = XIEventMask::RAW_KEY_PRESS | XIEventMask::RAW_KEY_RELEASE;
        let mask = if keys { buttons | keyboard } else { buttons };
        let masks = [xinput::EventMask { deviceid: xinput::Device::ALL_MASTER.into(), mask: vec![mask] }];
        display.server.xinput_xi_select_events(display.root, &masks)?.check()?;
        Ok(())
    }

    /// Pushes what an event says, if it is about a button or a key.
    pub fn heed(
        &mut self,
        event: &Event,
        display: &Display,
        view: &View,
        sink: &SampleSink,
    ) -> Result<(), Fault> {
        match event {
            Event::MappingNotify(_) => self.is_current = false,
            Event::XinputRawButtonPress(event) => self.press(event.detail, display, view, sink)?,
            Event::XinputRawButtonRelease(event) => self.release(event.detail, display, view, sink)?,
            Event::XinputRawKeyPress(event) if !event.flags.contains(KeyEventFlags::KEY_REPEAT) => {
                self.key_down(event.detail, display, view, sink)?;
            }
            Event::XinputRawKeyRelease(event) => {
                let name = u8::try_from(event.detail).ok().and_then(|code| self.keys_down.remove(&code));
                if let Some(name) = name {
                    push(sink, InputEvent::Key { name, pressed: false });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Nobody will say when these come up.
    pub fn let_go(&mut self, at: HostTime, sink: &SampleSink) {
        for (button, at_point) in std::mem::take(&mut self.buttons_down) {
            let event = InputEvent::Button { button, pressed: false, at: at_point };
            sink.push(at, SampleContent::Input(event));
        }
        for (_, name) in std::mem::take(&mut self.keys_down) {
            sink.push(at, SampleContent::Input(InputEvent::Key { name, pressed: false }));
        }
    }

    fn press(&mut self, detail: u32, display: &Display, view: &View, sink: &SampleSink) -> Result<(), Fault> {
        let Some(button) = self.button(detail, display)? else { return Ok(()) };
        let place = Place::ask(display, view)?;
        if place.is_within(view.area.size()) {
            self.buttons_down.insert(button, place.at);
            push(sink, InputEvent::Button { button, pressed: true, at: place.at });
        }
        Ok(())
    }

    fn release(
        &mut self,
        detail: u32,
        display: &Display,
        view: &View,
        sink: &SampleSink,
    ) -> Result<(), Fault> {
        let Some(button) = self.button(detail, display)? else { return Ok(()) };
        if self.buttons_down.remove(&button).is_some() {
            let place = Place::ask(display, view)?;
            push(sink, InputEvent::Button { button, pressed: false, at: place.at });
        }
        Ok(())
    }

    fn key_down(
        &mut self,
        detail: u32,
        display: &Display,
        view: &View,
        sink: &SampleSink,
    ) -> Result<(), Fault> {
        let Some(code) = u8::try_from(detail).ok().filter(|code| !self.keys_down.contains_key(code)) else {
            return Ok(());
        };
        let place = Place::ask(display, view)?;
        if view.top.is_some() && !has_focus(display, view, &place)? {
            return Ok(());
        }
        self.learn(display)?;
        let name = self.keyboard.as_ref().and_then(|keyboard| keyboard.name(code, place.modifiers));
        if let Some(name) = name {
            self.keys_down.insert(code, name.clone());
            push(sink, InputEvent::Key { name, pressed: true });
        }
        Ok(())
    }

    /// The button that programs are told of, unless it is none or a wheel.
    fn button(&mut self, detail: u32, display: &Display) -> Result<Option<u8>, Fault> {
        self.learn(display)?;
        let index = (detail as usize).checked_sub(1);
        let button = index.and_then(|index| self.buttons.get(index).copied());
        Ok(button.or(u8::try_from(detail).ok()).filter(|button| *button != 0 && !WHEEL.contains(button)))
    }

    /// Asks what buttons and keys mean, if that may have changed.
    fn learn(&mut self, display: &Display) -> Result<(), Fault> {
        if self.is_current {
            return Ok(());
        }
        let server = &display.server;
        let (first, last) = (server.setup().min_keycode, server.setup().max_keycode);
        let buttons = server.get_pointer_mapping()?;
        let keys = server.get_keyboard_mapping(first, last.saturating_sub(first).saturating_add(1))?;
        self.buttons = buttons.reply()?.map;
        self.keyboard = Some(Keyboard::new(first, keys.reply()?));
        self.is_current = true;
        Ok(())
    }
}

fn push(sink: &SampleSink, event: InputEvent) {
    sink.push(sink.now(), SampleContent::Input(event));
}

/// Whether what is typed goes to the window that is recorded, or to something within it.
fn has_focus(display: &Display, view: &View, pointer: &Place) -> Result<bool, Fault> {
    let mut focus = display.server.get_input_focus()?.reply()?.focus;
    if focus == u32::from(InputFocus::POINTER_ROOT) {
        return Ok(pointer.is_within(view.area.size()));
    }
    for _ in 0..DEPTH_MAX {
        if focus == view.window {
            return Ok(true);
        }
        if focus == u32::from(InputFocus::NONE) || focus == display.root {
            return Ok(false);
        }
        focus = match display.server.query_tree(focus)?.reply().map_err(Fault::from) {
            Ok(tree) => tree.parent,
            Err(Fault::NoWindow) => return Ok(false),
            Err(fault) => return Err(fault),
        };
    }
    Ok(false)
}
