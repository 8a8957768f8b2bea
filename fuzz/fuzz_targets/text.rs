//! Ids, durations, sizes and names as people and files write them. Input: any text.

#![no_main]

use engine::layout::describe;
use engine::settings::{parse_bytes, parse_chunk, parse_duration, parse_fps, parse_preset};
use model::{Hash, Layout, RecordingId, SessionId, TrackId};
use std::{fmt::Display, str::FromStr};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    one_spelling::<SessionId>(text);
    one_spelling::<RecordingId>(text);
    one_spelling::<Hash>(text);
    if let Ok(track) = text.parse::<TrackId>() {
        assert_eq!(track.to_string(), text);
        assert!(!text.contains(['/', '\\', '.', '\0']), "it is a folder's name");
    }
    if let Ok(duration) = parse_duration(text) {
        assert!(duration.as_secs() <= 3_653 * 24 * 3600, "ten years are the most");
    }
    if let Ok(chunk) = parse_chunk(text) {
        assert_eq!(media::ChunkPolicy::new(chunk).map(|policy| policy.chunk()), Ok(chunk));
    }
    if let Ok(bytes) = parse_bytes(text) {
        assert_eq!(parse_bytes(&bytes.to_string()), Ok(bytes));
    }
    arrange(text);
    if let Ok(fps) = parse_fps(text) {
        assert_eq!(fps.to_string(), text);
    }
    if let Ok(quality) = parse_preset(text) {
        assert!(quality.width > 0 && quality.height > 0 && quality.bitrate > 0);
    }
});

/// However something was written, it is said in one way, which reads back as the same.
fn one_spelling<T: FromStr + Display + PartialEq>(text: &str) {
    let Ok(read) = text.parse::<T>() else { return };
    let said = read.to_string();
    assert!(said.parse::<T>().is_ok_and(|again| again == read), "{text:?} became {said:?}");
}

/// Whatever is said of a layout, it makes sense, and can be said again.
fn arrange(text: &str) {
    for (key, _) in describe(&Layout::default()) {
        let mut layout = Layout::default();
        if engine::layout::arrange(&mut layout, key, text).is_ok() {
            assert_eq!(layout.checked(), layout, "{key} {text:?}");
            for (key, value) in describe(&layout) {
                assert_eq!(engine::layout::arrange(&mut layout, key, &value), Ok(()));
            }
        }
    }
}
