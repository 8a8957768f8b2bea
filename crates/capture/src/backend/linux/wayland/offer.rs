//! What is agreed upon with PipeWire: pixels, rate, memory, and what is told beside each picture.
//!
//! Ordinary shared memory is asked for first: the compositor's GPU writes into it, and this process only reads. A
//! DMA-BUF is taken where there is nothing else, and only with its rows one after another (linear): any other
//! arrangement is known to its GPU alone, and without a named one nobody else knows which it is.

use super::canvas::Order;
use model::Size;
use pipewire::spa::{
    param::{
        ParamType,
        format::{FormatProperties, MediaSubtype, MediaType},
        video::{VideoFormat, VideoInfoRaw},
    },
    pod::{
        ChoiceValue, Object, Pod, Property, PropertyFlags, Value, object, property, serialize::PodSerializer,
    },
    sys,
    utils::{Choice, ChoiceEnum, ChoiceFlags, Fraction, Id, Rectangle, SpaTypes},
};
use std::io::Cursor;

/// As it is in memory, row after row.
const LINEAR: i64 = 0;
/// What people have is smaller.
const SIDE_MAX: u32 = 16_384;
/// The largest pointer that is told, in pixels a side.
const POINTER_MAX: u32 = 384;
/// Most rectangles of damage that are told with a picture.
const RECTS_MAX: u32 = 16;

/// What was agreed upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    pub size: Size,
    pub order: Order,
    /// Pictures lie in a GPU's memory.
    pub is_dma: bool,
}

/// What this end takes, best first: PipeWire goes by the order of who receives.
pub(super) fn formats(fps: u32) -> [Vec<u8>; 2] {
    let mut linear = format(fps);
    let modifiers = ChoiceEnum::Enum { default: LINEAR, alternatives: vec![LINEAR] };
    linear.properties.push(Property {
        key: FormatProperties::VideoModifier.as_raw(),
        flags: PropertyFlags::MANDATORY,
        value: Value::Choice(ChoiceValue::Long(Choice(ChoiceFlags::empty(), modifiers))),
    });
    [bytes(format(fps)), bytes(linear)]
}

fn format(fps: u32) -> Object {
    let side = |width, height| Rectangle { width, height };
    let rate = |num| Fraction { num, denom: 1 };
    object!(
        SpaTypes::ObjectParamFormat,
        ParamType::EnumFormat,
        property!(FormatProperties::MediaType, Id, MediaType::Video),
        property!(FormatProperties::MediaSubtype, Id, MediaSubtype::Raw),
        property!(
            FormatProperties::VideoFormat,
            Choice,
            Enum,
            Id,
            VideoFormat::BGRx,
            VideoFormat::BGRx,
            VideoFormat::BGRA,
            VideoFormat::RGBx,
            VideoFormat::RGBA,
            VideoFormat::xRGB,
            VideoFormat::ARGB,
            VideoFormat::xBGR,
            VideoFormat::ABGR
        ),
        property!(
            FormatProperties::VideoSize,
            Choice,
            Range,
            Rectangle,
            side(1920, 1080),
            side(1, 1),
            side(SIDE_MAX, SIDE_MAX)
        ),
        // None: pictures come when something changes.
        property!(FormatProperties::VideoFramerate, Choice, Range, Fraction, rate(0), rate(0), rate(1000)),
        property!(
            FormatProperties::VideoMaxFramerate,
            Choice,
            Range,
            Fraction,
            rate(fps),
            rate(1),
            rate(fps)
        ),
    )
}

/// What PipeWire decided, if it can be read here.
pub(super) fn agreed(param: &Pod) -> Option<Agreed> {
    let mut info = VideoInfoRaw::new();
    info.parse(param).ok()?;
    let order = match info.format() {
        VideoFormat::BGRx | VideoFormat::BGRA => Order::Bgrx,
        VideoFormat::RGBx | VideoFormat::RGBA => Order::Rgbx,
        VideoFormat::xRGB | VideoFormat::ARGB => Order::Xrgb,
        VideoFormat::xBGR | VideoFormat::ABGR => Order::Xbgr,
        _ => return None,
    };
    let size = Size::new(info.size().width, info.size().height);
    let is_possible = |side: u32| (1..=SIDE_MAX).contains(&side);
    let is_dma = param.as_object().ok()?.find_prop(Id(FormatProperties::VideoModifier.as_raw())).is_some();
    (is_possible(size.width) && is_possible(size.height)).then_some(Agreed { size, order, is_dma })
}

/// In which memory the pictures lie, and what is told beside them.
pub(super) fn memory(is_dma: bool) -> Vec<Vec<u8>> {
    let kinds =
        if is_dma { 1 << sys::SPA_DATA_DmaBuf } else { 1 << sys::SPA_DATA_MemPtr | 1 << sys::SPA_DATA_MemFd };
    let flags = ChoiceEnum::Flags { default: kinds, flags: vec![kinds] };
    let counts = ChoiceEnum::Range { default: 4, min: 2, max: 16 };
    let choice = |choice| Value::Choice(ChoiceValue::Int(Choice(ChoiceFlags::empty(), choice)));
    let buffers = object!(
        SpaTypes::ObjectParamBuffers,
        ParamType::Buffers,
        Property::new(sys::SPA_PARAM_BUFFERS_buffers, choice(counts)),
        Property::new(sys::SPA_PARAM_BUFFERS_dataType, choice(flags)),
    );
    let meta = |kind, size: (usize, usize, usize)| {
        let int = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
        let (default, min, max) = (int(size.0), int(size.1), int(size.2));
        let size = match min == max {
            true => Value::Int(max),
            false => choice(ChoiceEnum::Range { default, min, max }),
        };
        object!(
            SpaTypes::ObjectParamMeta,
            ParamType::Meta,
            Property::new(sys::SPA_PARAM_META_type, Value::Id(Id(kind))),
            Property::new(sys::SPA_PARAM_META_size, size),
        )
    };
    let (header, region) = (size_of::<sys::spa_meta_header>(), size_of::<sys::spa_meta_region>());
    let pointer = |side: u32| {
        size_of::<sys::spa_meta_cursor>() + size_of::<sys::spa_meta_bitmap>() + 4 * (side * side) as usize
    };
    vec![
        bytes(buffers),
        bytes(meta(sys::SPA_META_Header, (header, header, header))),
        bytes(meta(sys::SPA_META_VideoCrop, (region, region, region))),
        bytes(meta(
            sys::SPA_META_VideoDamage,
            (region * RECTS_MAX as usize, region, region * RECTS_MAX as usize),
        )),
        bytes(meta(sys::SPA_META_Cursor, (pointer(64), pointer(1), pointer(POINTER_MAX)))),
    ]
}

fn bytes(object: Object) -> Vec<u8> {
    let written = PodSerializer::serialize(Cursor::new(Vec::new()), &Value::Object(object));
    written.expect("memory can be written to").0.into_inner()
}

/// The same, as PipeWire's calls take them.
pub(super) fn pods(bytes: &[Vec<u8>]) -> Vec<&Pod> {
    bytes.iter().filter_map(|bytes| Pod::from_bytes(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_offered_can_be_read() {
        for list in [formats(30).to_vec(), formats(1).to_vec(), memory(true), memory(false)] {
            assert_eq!(pods(&list).len(), list.len());
        }
    }

    #[test]
    fn what_is_agreed_says_where_pictures_lie() {
        let fixed = |modifier: bool| {
            let mut object = object!(
                SpaTypes::ObjectParamFormat,
                ParamType::Format,
                property!(FormatProperties::MediaType, Id, MediaType::Video),
                property!(FormatProperties::MediaSubtype, Id, MediaSubtype::Raw),
                property!(FormatProperties::VideoFormat, Id, VideoFormat::xBGR),
                property!(FormatProperties::VideoSize, Rectangle, Rectangle { width: 64, height: 48 }),
            );
            if modifier {
                object.properties.push(property!(FormatProperties::VideoModifier, Long, LINEAR));
            }
            bytes(object)
        };
        for is_dma in [false, true] {
            let want = Agreed { size: Size::new(64, 48), order: Order::Xbgr, is_dma };
            assert_eq!(agreed(pods(&[fixed(is_dma)])[0]), Some(want));
        }
        assert_eq!(agreed(pods(&memory(false))[0]), None);
    }
}
