//! What goes over the socket, both ways, as JSON. Input: one line.

#![no_main]

use engine::command::{Message, Request};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
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
        let value: Value = serde_json::from_slice(line).ok()?;
        let fits = fits(&value);
        Some((serde_json::from_value::<T>(value).ok()?, fits))
    });
    let Some((read, fits)) = read else { return };
    let text = serde_json::to_string(&read).expect("what was read can be written");
    assert!(!text.contains('\n'), "a message is one line");
    if fits {
        let again: T = serde_json::from_str(&text).expect("what was written can be read");
        assert_eq!(serde_json::to_string(&again).expect("and written again"), text);
    }
}

/// Whether no number is beyond the largest of 32 bits: that would be infinite, of which JSON knows nothing. Nobody
/// passes on such a message.
fn fits(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_none_or(|number| (number as f32).is_finite()),
        Value::Array(values) => values.iter().all(fits),
        Value::Object(fields) => fields.values().all(fits),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}
