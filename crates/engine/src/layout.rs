//! Layouts in words: the settings that make one, and changes to the one of the running session. Pure.

use crate::settings::{SWITCH, Values};
use model::{Corner, Layout, Shape};
use std::time::Duration;

/// One thing that can be said of a layout.
pub(crate) struct Part {
    pub(crate) key: &'static str,
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
    /// What people are offered; what is taken is known by applying it.
    pub(crate) values: Values,
    apply: fn(&mut Layout, &str) -> Result<(), String>,
}

/// Everything that can be said of a layout.
pub(crate) const PARTS: &[Part] = &[
    Part {
        key: "camera-border",
        default: "0.5%",
        help: "width of the camera's border in heights of the picture, 0% to 5%",
        values: Values::Taken(any),
        apply: |layout, text| parse_share(text, 0.0..=0.05).map(|share| layout.camera.border = share),
    },
    Part {
        key: "camera-mirror",
        default: "on",
        help: "the camera as in a mirror: on or off",
        values: SWITCH,
        apply: |layout, text| parse_switch(text).map(|is_on| layout.camera.mirrored = is_on),
    },
    Part {
        key: "camera-opacity",
        default: "100%",
        help: "how much of the camera is seen, 0% to 100%",
        values: Values::Taken(any),
        apply: |layout, text| parse_share(text, 0.0..=1.0).map(|share| layout.camera.opacity = share),
    },
    Part {
        key: "camera-place",
        default: "bottom-right",
        help: "where the camera is: top-left, top-right, bottom-left, bottom-right, or its middle as 20%,80%",
        values: Values::Offered(&["top-left", "top-right", "bottom-left", "bottom-right"], any),
        apply: place,
    },
    Part {
        key: "camera-shape",
        default: "circle",
        help: "the camera's outline: circle, rounded or rectangle",
        values: Values::OneOf(&["circle", "rounded", "rectangle"]),
        apply: |layout, text| parse_shape(text).map(|shape| layout.camera.shape = shape),
    },
    Part {
        key: "camera-shown",
        default: "on",
        help: "whether the camera is seen over the screen: on or off",
        values: SWITCH,
        apply: |layout, text| parse_switch(text).map(|is_on| layout.camera.shown = is_on),
    },
    Part {
        key: "camera-size",
        default: "25%",
        help: "height of the camera in heights of the picture, 5% to 100%",
        values: Values::Taken(any),
        apply: |layout, text| parse_share(text, 0.05..=1.0).map(|share| layout.camera.size = share),
    },
    Part {
        key: "keys-shown",
        default: "on",
        help: "whether keys are shown where they are recorded: on or off",
        values: SWITCH,
        apply: |layout, text| parse_switch(text).map(|is_on| layout.keys = is_on),
    },
    Part {
        key: "pointer-hide",
        default: "never",
        help: "a pointer that has not moved for this long is hidden: never, or a time such as 3s",
        values: Values::Offered(&["never", "1s", "3s", "5s"], any),
        apply: hide,
    },
    Part {
        key: "pointer-ripple",
        default: "off",
        help: "a ring spreads from each click: on or off",
        values: SWITCH,
        apply: |layout, text| parse_switch(text).map(|is_on| layout.pointer.ripple = is_on),
    },
    Part {
        key: "pointer-shown",
        default: "on",
        help: "whether the pointer is seen: on or off",
        values: SWITCH,
        apply: |layout, text| parse_switch(text).map(|is_on| layout.pointer.shown = is_on),
    },
    Part {
        key: "pointer-size",
        default: "100%",
        help: "size of the pointer, 50% to 400% of the system's",
        values: Values::Taken(any),
        apply: |layout, text| parse_share(text, 0.5..=4.0).map(|share| layout.pointer.size = share),
    },
];

/// Whether a setting of this name is a part of a layout.
pub(crate) fn is_part(key: &str) -> bool {
    PARTS.iter().any(|part| part.key == key)
}

/// Changes one thing about `layout`.
pub fn arrange(layout: &mut Layout, key: &str, value: &str) -> Result<(), String> {
    match PARTS.iter().find(|part| part.key == key) {
        Some(part) => (part.apply)(layout, value).map_err(|why| format!("{key}: {why}")),
        None => {
            let known: Vec<_> = PARTS.iter().map(|part| part.key).collect();
            Err(format!("a layout has no {key:?}; it has {}", known.join(", ")))
        }
    }
}

/// Every part of `layout` that has changed from the default, as it would be said; for people.
pub fn describe(layout: &Layout) -> Vec<(&'static str, String)> {
    let percent = |share: f32| format!("{}%", (share * 1000.0).round() / 10.0);
    let switch = |is_on: bool| if is_on { "on" } else { "off" }.to_owned();
    let (camera, pointer) = (&layout.camera, &layout.pointer);
    let shape = match camera.shape {
        Shape::Circle => "circle",
        Shape::Rounded => "rounded",
        Shape::Rectangle => "rectangle",
    };
    let hide = pointer.hide_after_ms.map_or_else(|| "never".to_owned(), |ms| format!("{ms}ms"));
    vec![
        ("camera-border", percent(camera.border)),
        ("camera-mirror", switch(camera.mirrored)),
        ("camera-opacity", percent(camera.opacity)),
        ("camera-place", format!("{},{}", percent(camera.x), percent(camera.y))),
        ("camera-shape", shape.to_owned()),
        ("camera-shown", switch(camera.shown)),
        ("camera-size", percent(camera.size)),
        ("keys-shown", switch(layout.keys)),
        ("pointer-hide", hide),
        ("pointer-ripple", switch(pointer.ripple)),
        ("pointer-shown", switch(pointer.shown)),
        ("pointer-size", percent(pointer.size)),
    ]
}

/// A part's own parser says what it takes.
fn any(_: &str) -> Result<(), String> {
    Ok(())
}

fn place(layout: &mut Layout, text: &str) -> Result<(), String> {
    let corner = match text {
        "top-left" => Some(Corner::TopLeft),
        "top-right" => Some(Corner::TopRight),
        "bottom-left" => Some(Corner::BottomLeft),
        "bottom-right" => Some(Corner::BottomRight),
        _ => None,
    };
    if let Some(corner) = corner {
        layout.camera = layout.camera.at(corner);
        return Ok(());
    }
    let wrong = || format!("{text:?} is neither a corner such as bottom-right nor a place such as 20%,80%");
    let (x, y) = text.split_once(',').ok_or_else(wrong)?;
    let share = |text: &str| parse_share(text.trim(), 0.0..=1.0).map_err(|_| wrong());
    (layout.camera.x, layout.camera.y) = (share(x)?, share(y)?);
    Ok(())
}

fn hide(layout: &mut Layout, text: &str) -> Result<(), String> {
    layout.pointer.hide_after_ms = match text {
        "never" => None,
        _ => {
            let after: Duration = crate::settings::parse_duration(text)?;
            Some(u32::try_from(after.as_millis()).map_err(|_| format!("{text:?} is too long"))?)
        }
    };
    Ok(())
}

fn parse_shape(text: &str) -> Result<Shape, String> {
    match text {
        "circle" => Ok(Shape::Circle),
        "rounded" => Ok(Shape::Rounded),
        "rectangle" => Ok(Shape::Rectangle),
        _ => Err(format!("{text:?} is not one of circle, rounded, rectangle")),
    }
}

/// `on` or `off`.
pub(crate) fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{text:?} is neither on nor off")),
    }
}

/// `25%` as 0.25.
fn parse_share(text: &str, within: std::ops::RangeInclusive<f32>) -> Result<f32, String> {
    let percent = text.strip_suffix('%').and_then(|number| number.trim().parse::<f32>().ok());
    let share = percent.map(|percent| percent / 100.0).filter(|share| within.contains(share));
    share.ok_or_else(|| {
        let (low, high) = (within.start() * 100.0, within.end() * 100.0);
        format!("{text:?} is not a share from {low}% to {high}%")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_without_a_choice_make_the_layout_without_a_choice() {
        let mut layout = Layout::default();
        for part in PARTS {
            arrange(&mut layout, part.key, part.default).unwrap();
        }
        assert_eq!(layout, Layout::default());
    }

    #[test]
    fn a_layout_said_in_words_is_the_same_layout() {
        let mut layout = Layout::default();
        for (key, value) in [
            ("camera-place", "20%,80%"),
            ("camera-shape", "rounded"),
            ("camera-size", "33.5%"),
            ("camera-mirror", "off"),
            ("pointer-hide", "3s"),
            ("pointer-size", "200%"),
        ] {
            arrange(&mut layout, key, value).unwrap();
        }
        let mut again = Layout::default();
        let said = describe(&layout);
        assert_eq!(said.len(), PARTS.len());
        said.iter().for_each(|(key, value)| arrange(&mut again, key, value).unwrap());
        assert_eq!(again, layout);
    }

    #[test]
    fn nonsense_is_refused() {
        for (key, value) in [
            ("camera-size", "2%"),
            ("camera-size", "NaN%"),
            ("camera-size", "25"),
            ("camera-place", "middle"),
            ("camera-place", "10%,"),
            ("camera-shape", "star"),
            ("pointer-hide", "soon"),
            ("keys-shown", "yes"),
            ("colour", "red"),
        ] {
            let mut layout = Layout::default();
            assert!(arrange(&mut layout, key, value).is_err(), "{key}={value}");
            assert_eq!(layout, Layout::default());
        }
    }
}
