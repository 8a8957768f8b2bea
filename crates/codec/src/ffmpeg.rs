//! What all that uses FFmpeg needs of it: silence, finding codecs, and reading and writing what the binding cannot.

use crate::CodecError;
use bytes::Bytes;
use ffmpeg_next::{Codec, Dictionary, Packet, codec, decoder, encoder, error::EAGAIN, ffi, frame};
use std::sync::Once;

/// FFmpeg writes to stderr unless told otherwise, and that is the user's terminal. What matters comes back as an error
/// code.
pub(crate) fn be_quiet() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet));
}

/// The encoder of that name.
pub(crate) fn find_encoder(name: &'static str, package: &'static str) -> Result<Codec, CodecError> {
    be_quiet();
    encoder::find_by_name(name).ok_or(CodecError::MissingCodec { name, package })
}

/// The first decoder there is of these names.
pub(crate) fn find_decoder(names: &[&'static str], package: &'static str) -> Result<Codec, CodecError> {
    be_quiet();
    let found = names.iter().find_map(|name| decoder::find_by_name(name));
    found.ok_or(CodecError::MissingCodec { name: names.first().copied().unwrap_or_default(), package })
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

/// Gives a context the bytes that stand in a container's header.
pub(crate) fn set_extradata(context: &mut codec::Context, bytes: &[u8]) -> Result<(), CodecError> {
    const PADDING: usize = ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
    let failed = |why: &str| CodecError::Failed { operation: "describing a codec", why: why.into() };
    let size = i32::try_from(bytes.len()).map_err(|_| failed("its description is too long"))?;
    #[expect(unsafe_code, reason = "the binding has no way to write it")]
    // SAFETY: the memory is FFmpeg's own, as long as the bytes and the padding that it asks for, all of it zero
    // before they are copied, and the context owns it from now on and frees it. What it had before is freed first.
    unsafe {
        let memory = ffi::av_mallocz(bytes.len() + PADDING).cast::<u8>();
        if memory.is_null() {
            return Err(failed("no memory"));
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), memory, bytes.len());
        let context = context.as_mut_ptr();
        ffi::av_freep((&raw mut (*context).extradata).cast());
        (*context).extradata = memory;
        (*context).extradata_size = size;
    }
    Ok(())
}

/// Opens the first decoder there is of these names.
pub(crate) fn open_decoder(
    names: &[&'static str],
    package: &'static str,
    extradata: &[u8],
    options: Dictionary<'_>,
) -> Result<decoder::Opened, CodecError> {
    let library = find_decoder(names, package)?;
    let mut context = codec::Context::new_with_codec(library);
    set_extradata(&mut context, extradata)?;
    context.decoder().open_as_with(library, options).map_err(|error| CodecError::InvalidConfig {
        what: format!("decode with {}", library.name()),
        why: error.to_string(),
    })
}

/// The bytes as FFmpeg wants them; none if no packet has so many. An empty one would mean the end.
pub(crate) fn packet(bytes: &[u8]) -> Option<Packet> {
    const MAX: usize = 256 << 20;
    (1..=MAX).contains(&bytes.len()).then(|| Packet::copy(bytes))
}

/// The next decoded frame that is ready, if there is one.
pub(crate) fn receive_frame(
    decoder: &mut decoder::Opened,
    frame: &mut frame::Frame,
) -> Result<bool, ffmpeg_next::Error> {
    match decoder.receive_frame(frame) {
        Ok(()) => Ok(true),
        Err(ffmpeg_next::Error::Eof) => Ok(false),
        Err(ffmpeg_next::Error::Other { errno: EAGAIN }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// How many samples the decoder gives before the first real one.
pub(crate) fn initial_padding(context: &codec::Context) -> u32 {
    #[expect(unsafe_code, reason = "the binding has no way to read it")]
    // SAFETY: a plain field of a context that lives.
    let padding = unsafe { (*context.as_ptr()).initial_padding };
    u32::try_from(padding).unwrap_or(0)
}

/// A context that codes nothing and only says what something is coded as.
pub(crate) fn context_of(id: ffi::AVCodecID) -> codec::Context {
    let mut context = codec::Context::new();
    #[expect(unsafe_code, reason = "the binding has no way to write it")]
    // SAFETY: a plain field of a context that lives and is ours alone.
    unsafe {
        (*context.as_mut_ptr()).codec_id = id;
    }
    context
}

/// Says how many samples the decoder gives before the first real one.
pub(crate) fn set_initial_padding(context: &mut codec::Context, samples: u32) {
    #[expect(unsafe_code, reason = "the binding has no way to write it")]
    // SAFETY: a plain field of a context that lives and is borrowed alone.
    unsafe {
        (*context.as_mut_ptr()).initial_padding = i32::try_from(samples).unwrap_or(i32::MAX);
    }
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
    fn a_missing_codec_names_its_package() {
        for error in [
            find_encoder("no-such-codec", "the package that has it").err().unwrap(),
            find_decoder(&["no-such-codec"], "the package that has it").err().unwrap(),
        ] {
            assert!(matches!(error, CodecError::MissingCodec { .. }) && !error.is_retryable());
            assert!(error.to_string().contains("no-such-codec; install the package that has it"), "{error}");
        }
    }
}
