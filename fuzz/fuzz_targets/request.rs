//! What goes over the socket, both ways, as JSON. Input: one line.

#![no_main]

use engine::command::{Message, Request};
use serde::{Serialize, de::DeserializeOwned};
use spool_fuzz::memory;

/// Names of fields cost memory that their values do not have.
const MEMORY_TIMES: usize = 400;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check::<Request>(data);
    check::<Message>(data);
});

/// What can be read can be written, and says the same again.
fn check<T: Serialize + DeserializeOwned>(line: &[u8]) {
    // By way of a value, as the engine does it to see the version first.
    let read = memory::bounded(line.len(), MEMORY_TIMES, || {
        let value: serde_json::Value = serde_json::from_slice(line).ok()?;
        serde_json::from_value::<T>(value).ok()
    });
    let Some(read) = read else { return };
    let text = serde_json::to_string(&read).expect("what was read can be written");
    assert!(!text.contains('\n'), "a message is one line");
    let again: T = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(serde_json::to_string(&again).expect("and written again"), text);
}
