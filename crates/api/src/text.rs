//! Texts that people write: what of them is taken, and how to make one that is.

/// Whether a text has at most `max` characters, and no control characters but tabs and ends of lines.
pub fn is_plain(text: &str, max: usize) -> bool {
    text.chars().count() <= max && !text.chars().any(is_refused)
}

/// A text that [`is_plain`]: control characters become spaces, and what is too long is cut.
pub fn plain(text: &str, max: usize) -> String {
    text.chars().take(max).map(|letter| if is_refused(letter) { ' ' } else { letter }).collect()
}

fn is_refused(letter: char) -> bool {
    letter.is_control() && !matches!(letter, '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_plain_is_taken() {
        for text in ["", "Demo\n\tat noon", "a\0b", "\u{7f}\u{85}\u{1b}[31m", "äöü\u{1f600}"] {
            assert!(is_plain(&plain(text, 5), 5), "{text:?}");
        }
        assert!(!is_plain("a\0", 5) && !is_plain("123456", 5) && is_plain("ä\n345", 5));
        assert_eq!(plain("a\0bcdef", 4), "a bc");
    }
}
