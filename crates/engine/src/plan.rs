//! What is recorded where nobody says anything else: the plan that the settings make.

use crate::{
    command::{Choice, SessionPlan, Setting},
    error::EngineError,
    layout::parse_switch,
    settings::{parse_chunk, parse_fps, parse_mode, parse_preset},
};
use std::collections::BTreeMap;

impl SessionPlan {
    /// The plan that these settings make, which are all that [`crate::command::Command::Settings`] gives.
    pub fn from_settings(settings: &[Setting]) -> Result<Self, EngineError> {
        let value = |key: &str| {
            let found = settings.iter().find(|setting| setting.key == key);
            found
                .map(|setting| setting.value.as_str())
                .ok_or_else(|| EngineError::Invalid(format!("the engine lacks the setting {key}")))
        };
        Ok(Self {
            title: String::new(),
            description: String::new(),
            metadata: BTreeMap::new(),
            screen: Choice::parse(value("screen")?),
            camera: Choice::parse(value("camera")?),
            camera_format: match value("camera-format")? {
                "best" => None,
                format => Some(format.to_owned()),
            },
            microphone: Choice::parse(value("mic")?),
            system_audio: Choice::parse(value("system-audio")?),
            mode: read(value("mode")?, parse_mode)?,
            layout: None,
            keys: read(value("keys")?, parse_switch)?,
            quality: read(value("preset")?, parse_preset)?,
            fps: read(value("fps")?, parse_fps)?,
            chunk_ms: u64::try_from(read(value("chunk")?, parse_chunk)?.as_millis()).unwrap_or(u64::MAX),
            synthetic: false,
            stop_after_ms: None,
        })
    }
}

fn read<T>(text: &str, parse: fn(&str) -> Result<T, String>) -> Result<T, EngineError> {
    parse(text).map_err(EngineError::Invalid)
}

impl Choice {
    /// As people write it: `default`, `off`, or an id.
    pub fn parse(text: &str) -> Self {
        match text {
            "off" => Self::Off,
            "default" | "" => Self::Default,
            id => Self::Id(id.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use model::Mode;

    #[test]
    fn settings_make_a_plan() {
        let chosen = [("camera", "v4l:0"), ("mic", "off"), ("mode", "both"), ("keys", "on"), ("chunk", "2s")];
        let (settings, ignored) = Settings::new(chosen.map(|(key, value)| (key.into(), value.into())));
        assert!(ignored.is_empty());
        let plan = SessionPlan::from_settings(&settings.all()).unwrap();
        assert_eq!((plan.screen, plan.camera), (Choice::Default, Choice::Id("v4l:0".into())));
        assert_eq!((plan.microphone, plan.mode, plan.keys), (Choice::Off, Mode::Both, true));
        let (elsewhere, _) = Settings::new([("screen".into(), "x11:monitor:LEFT".into())]);
        let elsewhere = SessionPlan::from_settings(&elsewhere.all()).unwrap().screen;
        assert_eq!(elsewhere, Choice::Id("x11:monitor:LEFT".into()));
        assert_eq!((plan.chunk_ms, plan.fps, plan.camera_format), (2_000, 30, None));
        assert!(SessionPlan::from_settings(&[]).is_err());
    }
}
