//! What helps to find a fault, as one text that people can read before they send it.
//!
//! Owns: what may be in it. Nothing that was recorded, no titles, no names of devices or windows, no secrets. What the
//! engine said is in it, since the engine writes none of these into its log either.

use crate::{
    clock::utc_now,
    command::{self, PROTOCOL_VERSION, Reply},
    error::EngineError,
    library,
    session::millis,
    settings::Settings,
    sources,
};
use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write as _},
    path::Path,
    thread,
};
use store::{ChunkStore, Search};

/// What the engine said, the older first.
const LOGS: [&str; 2] = ["engine.log.1", "engine.log"];
/// Of each log, as much of its end is taken.
const LOG_BYTES_MAX: u64 = 1 << 20;
/// As many of the newest recordings are described.
const RECORDINGS: u32 = 20;
/// Stands for the home folder, whose name is a person's.
const HOME: &str = "~";

/// Writes it to a file.
pub(crate) fn diagnose(store: &ChunkStore, output: &Path) -> Result<Reply, EngineError> {
    if !output.is_absolute() {
        return Err(EngineError::Invalid(format!("{} is not an absolute path", output.display())));
    }
    let mut text = String::new();
    section(&mut text, "spool", &versions());
    section(&mut text, "settings", &settings(store));
    section(&mut text, "devices", &devices());
    section(&mut text, "library", &library(store));
    section(&mut text, "newest recordings", &recordings(store));
    for name in LOGS {
        section(&mut text, name, &log(&store.dir().join(name)));
    }
    let written = File::create(output).and_then(|mut file| {
        file.write_all(anonymous(&text).as_bytes())?;
        file.sync_all()
    });
    written.map_err(|cause| EngineError::System { operation: "writing the diagnosis", cause })?;
    Ok(Reply::Done)
}

fn section(text: &mut String, title: &str, lines: &str) {
    // Writing into a String cannot fail.
    let _infallible = write!(text, "== {title}\n{}\n\n", lines.trim_end());
}

fn versions() -> String {
    let first_line = |path: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().next().unwrap_or("unknown").to_owned()
    };
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or(env::consts::OS);
    let displays: Vec<_> = command::environment().into_keys().collect();
    format!(
        "version {}, protocol {PROTOCOL_VERSION}\nsystem {} {}, {}\ncores {}\ntime {} ms since 1970\nset: {}\n",
        env!("CARGO_PKG_VERSION"),
        name.trim_matches('"'),
        env::consts::ARCH,
        first_line("/proc/sys/kernel/osrelease"),
        thread::available_parallelism().map_or(0, usize::from),
        utc_now().0,
        displays.join(" "),
    )
}

fn settings(store: &ChunkStore) -> String {
    let chosen = match store.settings() {
        Ok(chosen) => chosen,
        Err(error) => return error.to_string(),
    };
    let (settings, ignored) = Settings::new(chosen);
    let mut lines = String::new();
    for setting in settings.all().into_iter().filter(|setting| setting.chosen) {
        // An id of a device may be a name that somebody gave it.
        let is_private = setting.key == Settings::SCREEN_TOKEN
            || ["camera", "mic", "system-audio"].contains(&setting.key.as_str())
                && !["default", "off"].contains(&setting.value.as_str());
        let value = if is_private { "(chosen)" } else { &setting.value };
        let _infallible = writeln!(lines, "{}={value}", setting.key);
    }
    let _infallible = writeln!(lines, "{} ignored", ignored.len());
    lines
}

fn devices() -> String {
    let found = match sources::devices(false) {
        Ok(found) => found,
        Err(error) => return error.to_string(),
    };
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for device in found {
        let size = device.size.map_or_else(|| "-".to_owned(), |[width, height]| format!("{width}x{height}"));
        kinds.entry(device.kind).or_default().push(size);
    }
    let mut lines = String::new();
    for (kind, sizes) in kinds {
        let _infallible = writeln!(lines, "{kind}: {} ({})", sizes.len(), sizes.join(" "));
    }
    for permission in sources::permissions() {
        let _infallible = writeln!(lines, "permission for {}: {}", permission.kind, permission.state);
    }
    lines
}

fn library(store: &ChunkStore) -> String {
    match library::usage(store) {
        Ok(Reply::Usage(usage)) => format!("{usage:?}"),
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

fn recordings(store: &ChunkStore) -> String {
    let found = match store.search(&Search { limit: RECORDINGS, ..Search::default() }) {
        Ok(found) => found.sessions,
        Err(error) => return error.to_string(),
    };
    let mut lines = String::new();
    for summary in found {
        let meta = &summary.meta;
        let tracks: Vec<_> = meta.tracks.iter().map(|track| track.id.as_str()).collect();
        let gaps: Vec<_> = (meta.gaps.iter())
            .map(|gap| format!("{:?} {} ms", gap.reason, millis(gap.span.duration())))
            .collect();
        let _infallible = writeln!(
            lines,
            "{} {:?} {} ms, {} bytes, {} chunks of {} ms; {}; gaps [{}]; lost {:?}; check {:?}",
            meta.id,
            meta.state,
            millis(summary.played()),
            summary.bytes,
            summary.chunks,
            millis(meta.chunk),
            tracks.join(" "),
            gaps.join(", "),
            meta.lost.map(millis),
            meta.check,
        );
    }
    lines
}

/// The end of a log; nothing where there is none.
fn log(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(LOG_BYTES_MAX)))?;
        file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)
    });
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => error.to_string(),
    }
}

fn anonymous(text: &str) -> String {
    let home = env::home_dir().filter(|home| home.components().count() > 1);
    match home.as_deref().and_then(Path::to_str) {
        Some(home) => text.replace(home, HOME),
        None => text.to_owned(),
    }
}
