//! Names of keys, for people: what is printed on them, not what they type.
//!
//! Owns: the way from a key's symbols to its name. Pure; tested below.

use x11rb::protocol::xproto::{GetKeyboardMappingReply, KeyButMask};
use xkeysym::{Keysym, key};

/// What each key of a keyboard means.
pub(super) struct Keyboard {
    first: u8,
    per_key: usize,
    symbols: Vec<u32>,
}

impl Keyboard {
    /// As the server told it, for keys from `first` on.
    pub fn new(first: u8, reply: GetKeyboardMappingReply) -> Self {
        Self { first, per_key: reply.keysyms_per_keycode.into(), symbols: reply.keysyms }
    }

    /// The name of the key with this code while `modifiers` hold; none where it has no meaning.
    pub fn name(&self, code: u8, modifiers: KeyButMask) -> Option<String> {
        let key = usize::from(code.checked_sub(self.first)?);
        let symbols = self.symbols.chunks_exact(self.per_key.max(1)).nth(key)?;
        let symbol = |column: usize| symbols.get(column).copied().filter(|symbol| *symbol != 0);
        // Two columns, plain and shifted, for each of the first two layouts; which one holds is in bits 13 and 14.
        let layout = usize::from(u16::from(modifiers) >> 13 & 3);
        let plain = if layout == 1 { symbol(2).or(symbol(0)) } else { symbol(0) };
        let shifted = symbol(1).filter(|symbol| (key::KP_0..=key::KP_9).contains(symbol));
        let is_locked = modifiers.contains(KeyButMask::MOD2);
        name_of(shifted.filter(|_| is_locked).or(plain)?)
    }
}

fn name_of(symbol: u32) -> Option<String> {
    if let Some(name) = word(symbol) {
        return Some(name.to_owned());
    }
    if (key::F1..=key::F35).contains(&symbol) {
        return Some(format!("F{}", symbol - key::F1 + 1));
    }
    let letter = Keysym::new(symbol).key_char().filter(|letter| !letter.is_control())?;
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => Some(upper.to_string()),
        // ß has no single capital.
        _ => Some(letter.to_string()),
    }
}

/// Keys that are known by a word or a sign.
fn word(symbol: u32) -> Option<&'static str> {
    Some(match symbol {
        key::space | key::nobreakspace | key::KP_Space => "Space",
        key::Return | key::KP_Enter | key::ISO_Enter => "Enter",
        key::BackSpace => "Backspace",
        key::Tab | key::ISO_Left_Tab | key::KP_Tab => "Tab",
        key::Escape => "Esc",
        key::Delete | key::KP_Delete => "Delete",
        key::Insert | key::KP_Insert => "Insert",
        key::Home | key::KP_Home => "Home",
        key::End | key::KP_End => "End",
        key::Page_Up | key::KP_Page_Up => "Page Up",
        key::Page_Down | key::KP_Page_Down => "Page Down",
        key::Left | key::KP_Left => "←",
        key::Up | key::KP_Up => "↑",
        key::Right | key::KP_Right => "→",
        key::Down | key::KP_Down => "↓",
        key::Shift_L | key::Shift_R => "Shift",
        key::Control_L | key::Control_R => "Ctrl",
        key::Alt_L | key::Alt_R => "Alt",
        key::Meta_L | key::Meta_R => "Meta",
        key::Super_L | key::Super_R => "Super",
        key::Hyper_L | key::Hyper_R => "Hyper",
        key::ISO_Level3_Shift | key::Mode_switch => "AltGr",
        key::Caps_Lock => "Caps Lock",
        key::Num_Lock => "Num Lock",
        key::Scroll_Lock => "Scroll Lock",
        key::Print | key::Sys_Req => "Print",
        key::Pause | key::Break => "Pause",
        key::Menu => "Menu",
        key::Multi_key => "Compose",
        key::dead_grave => "`",
        key::dead_acute => "´",
        key::dead_circumflex => "^",
        key::dead_tilde => "~",
        key::dead_diaeresis => "¨",
        key::XF86_AudioMute => "Mute",
        key::XF86_AudioLowerVolume => "Volume Down",
        key::XF86_AudioRaiseVolume => "Volume Up",
        key::XF86_AudioPlay => "Play",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(symbols: &[u32], modifiers: u16) -> Option<String> {
        let reply = GetKeyboardMappingReply {
            keysyms_per_keycode: symbols.len() as u8,
            keysyms: [&vec![0; symbols.len()], symbols].concat(),
            ..GetKeyboardMappingReply::default()
        };
        Keyboard::new(8, reply).name(9, KeyButMask::from(modifiers))
    }

    #[test]
    fn keys_are_called_what_is_printed_on_them() {
        for (symbol, wanted) in [
            (key::a, "A"),
            (key::Z, "Z"),
            (key::_7, "7"),
            (key::Return, "Enter"),
            (key::Control_R, "Ctrl"),
            (key::Left, "←"),
            (key::F12, "F12"),
            (key::odiaeresis, "Ö"),
            (key::ssharp, "ß"),
            (key::Cyrillic_zhe, "Ж"),
            (0x0100_20ac, "€"),
            (key::KP_Add, "+"),
        ] {
            assert_eq!(name(&[symbol, 0], 0).as_deref(), Some(wanted));
        }
        assert_eq!(name(&[0, 0], 0), None);
        assert_eq!(name(&[0x1234_5678], 0), None);
    }

    #[test]
    fn the_layout_and_the_number_pad_count() {
        let both = [key::z, key::Z, key::Cyrillic_ya, key::Cyrillic_YA];
        assert_eq!(name(&both, 0).as_deref(), Some("Z"));
        assert_eq!(name(&both, 1 << 13).as_deref(), Some("Я"));
        let pad = [key::KP_Left, key::KP_4];
        assert_eq!(name(&pad, 0).as_deref(), Some("←"));
        assert_eq!(name(&pad, u16::from(KeyButMask::MOD2)).as_deref(), Some("4"));
    }

    #[test]
    fn codes_beyond_the_keyboard_have_no_name() {
        let keyboard = Keyboard::new(8, GetKeyboardMappingReply::default());
        assert_eq!(
            (keyboard.name(0, KeyButMask::default()), keyboard.name(255, KeyButMask::default())),
            (None, None)
        );
    }
}
