//! Samples of input: what people did, as the data track of a recording has it. Input: the text of one.

#![no_main]

use model::{InputEvent, InputSample, InputState};
use spool_fuzz::memory;
use std::time::Duration;

/// Names of fields cost memory that their values do not have.
const MEMORY_TIMES: usize = 100;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(sample) =
        memory::bounded(data.len(), MEMORY_TIMES, || serde_json::from_slice::<InputSample>(data))
    else {
        return;
    };
    let text = serde_json::to_vec(&sample).expect("what was read can be written");
    let again: InputSample = serde_json::from_slice(&text).expect("what was written can be read");
    assert_eq!(again, sample);

    let mut state = sample.state.unwrap_or_default();
    let drawings = state.drawings.len().max(InputState::DRAWINGS_MAX);
    let mut at = state.moved;
    for event in &sample.events {
        at = at + Duration::from_millis(300);
        state.apply(event, at);
        assert!(state.drawings.len() <= drawings, "nothing grows without end");
        match event {
            InputEvent::Pointer(place) => assert_eq!(state.pointer, Some(*place)),
            InputEvent::PointerGone => assert_eq!(state.pointer, None),
            InputEvent::Key { name, pressed: false } => assert!(!state.keys.contains(name)),
            InputEvent::Button { button, pressed: false, .. } => assert!(!state.buttons.contains(button)),
            _ => {}
        }
    }
    let same = InputSample { state: Some(state), events: Vec::new() };
    let text = serde_json::to_vec(&same).expect("a state can be written");
    assert_eq!(serde_json::from_slice::<InputSample>(&text).expect("and read"), same);
});
