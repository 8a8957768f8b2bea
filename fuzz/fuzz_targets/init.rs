//! Init segments. Input: the bytes of one.

#![no_main]

use bytes::Bytes;
use spool_fuzz::{memory, tracks};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let track = tracks::track("mix");
    let bytes = Bytes::copy_from_slice(data);
    let Ok(read) = memory::bounded(data.len(), 8, || media::read_init(&track, bytes)) else { return };
    let written = media::init(&track, &read.codec).expect("what was read can be written");
    let again = media::read_init(&track, written.bytes.clone()).expect("what was written can be read");
    assert_eq!(again, written);
    assert_eq!(again.codec, read.codec, "nothing of it is lost");
    assert!(media::codec_name(&read.codec).is_ascii());
    tracks::scan(data, &read);
});
