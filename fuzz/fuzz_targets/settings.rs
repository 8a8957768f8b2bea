//! Settings that people wrote. Input: the text of `settings.json`.

#![no_main]

use engine::settings::Settings;
use std::collections::BTreeMap;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(chosen) = serde_json::from_slice::<BTreeMap<String, String>>(data) else { return };
    let count = chosen.len();
    let (mut settings, ignored) = Settings::new(chosen);
    let all = settings.all();
    assert_eq!(all.iter().filter(|setting| setting.chosen).count() + ignored.len(), count);
    for setting in all {
        settings.set(&setting.key, Some(&setting.value)).expect("a value in force makes sense");
        assert_eq!(settings.setting(&setting.key).expect("it is there").value, setting.value);
    }
    assert!(settings.idle_exit().as_secs() <= 366 * 24 * 3600);
    let layout = settings.layout();
    assert_eq!(layout.checked(), layout);
    // Both are taken as they are; that they are there is what matters.
    let _bytes = (settings.disk_reserve(), settings.disk_warning());
    let _ages =
        (settings.keep_age(), settings.keep_bytes(), settings.keep_unverified(), settings.trash_age());
});
