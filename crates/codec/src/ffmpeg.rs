//! What both encoders need of FFmpeg: silence, and finding, opening and reading an encoder.

use crate::CodecError;
use bytes::Bytes;
use ffmpeg_next::{Codec, Dictionary, Packet, codec, encoder, error::EAGAIN};
use std::sync::Once;

/// The encoder of that name.
pub(crate) fn find(name: &'static str, package: &'static str) -> Result<Codec, CodecError> {
    static QUIET: Once = Once::new();
    // FFmpeg writes to stderr unless told otherwise, and that is the user's terminal. What matters comes back as
    // an error code.
    QUIET.call_once(|| ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet));
    encoder::find_by_name(name).ok_or(CodecError::MissingEncoder { encoder: name, package })
}

/// Options by name, as in FFmpeg's manual.
pub(crate) fn options(pairs: &[(&str, &str)]) -> Dictionary<'static> {
    pairs.iter().copied().collect()
}

/// The bytes that a container's header needs; filled in by opening with `GLOBAL_HEADER`.
pub(crate) fn extradata(context: &codec::Context) -> Bytes {
    #[expect(unsafe_code, reason = "the binding has no way to read it")]
    // SAFETY: FFmpeg keeps `extradata_size` readable bytes at `extradata` for as long as the context lives, which
    // outlasts this borrow of it, and changes them only in calls that need `&mut`.
    unsafe {
        let context = context.as_ptr();
        let size = usize::try_from((*context).extradata_size).unwrap_or(0);
        if (*context).extradata.is_null() || size == 0 {
            return Bytes::new();
        }
        Bytes::copy_from_slice(std::slice::from_raw_parts((*context).extradata, size))
    }
}

/// How many samples the decoder gives before the first real one.
pub(crate) fn initial_padding(context: &codec::Context) -> u32 {
    #[expect(unsafe_code, reason = "the binding has no way to read it")]
    // SAFETY: a plain field of a context that lives.
    let padding = unsafe { (*context.as_ptr()).initial_padding };
    u32::try_from(padding).unwrap_or(0)
}

/// The next packet that is ready, if there is one.
pub(crate) fn receive(
    encoder: &mut encoder::Encoder,
    packet: &mut Packet,
    operation: &'static str,
) -> Result<bool, CodecError> {
    match encoder.receive_packet(packet) {
        Ok(()) => Ok(true),
        Err(ffmpeg_next::Error::Eof) => Ok(false),
        Err(ffmpeg_next::Error::Other { errno: EAGAIN }) => Ok(false),
        Err(error) => Err(CodecError::failed(operation)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_encoder_names_its_package() {
        let error = find("no-such-encoder", "the package that has it").err().unwrap();
        assert!(matches!(error, CodecError::MissingEncoder { .. }) && !error.is_retryable());
        assert!(error.to_string().contains("install the package that has it"), "{error}");
    }
}
