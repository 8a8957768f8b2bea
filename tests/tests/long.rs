//! A long recording with everything in it: screen, camera, two tracks of sound. Sound and pictures stay together from
//! the beginning to the end, and memory stays flat.
//!
//! `SPOOL_SOAK_MINUTES` says how long; without it, it is short.

use spool_tests::{
    Camera, CodeShow, Display, Film, Pcm, Running, Sound, Spool, camera, my_turn, process, tone, tool,
};
use std::{env, fs, path::Path, process::Stdio, thread, time::Duration};

/// What people do not notice, in seconds.
const OFFSET_MAX: f64 = 0.020;
/// The stretches that are looked at, at the beginning and at the end, and what is left out beside them.
const STRETCH: f64 = 10.0;
const MARGIN: f64 = 3.0;
/// Between two looks at the engine's memory.
const LOOK: Duration = Duration::from_secs(10);
/// Bytes by which memory may grow over all of the recording, once it is warm.
const GROWTH_MAX: f64 = 16e6;
/// Frequencies of the beeps that the microphone hears and the speakers play.
const MIC_HERTZ: u32 = 1_000;
const SPEAKERS_HERTZ: u32 = 3_000;

/// Of recording.
fn length() -> Duration {
    let minutes: Option<f64> = env::var("SPOOL_SOAK_MINUTES").ok().and_then(|text| text.parse().ok());
    Duration::from_secs_f64(minutes.unwrap_or(0.6) * 60.0)
}

/// Plays a beep at the beginning of each second, for longer than the recording lasts.
fn beeps(sound: &Sound, spool: &Spool, sink: &str, hertz: u32) -> Running {
    let file = spool.file(&format!("{hertz}.wav"));
    let again = (length().as_secs() + 60).to_string();
    let mut sox = tool("sox");
    sox.args(["-q", "-n", "-r", "16000", "-c", "1", "-b", "16"]).arg(&file);
    sox.args(["synth", "0.1", "sine", &hertz.to_string(), "gain", "-6", "pad", "0", "0.9", "repeat", &again]);
    process::text(&mut sox);
    let mut player = process::server("paplay");
    sound.dress(&mut player);
    Running::start(player.args(["--device", sink]).arg(&file).stdout(Stdio::null()).stderr(Stdio::null()))
}

/// Bytes that a process has resident.
fn resident(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the engine runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("it is a number") * 1024.0
}

/// By how much the line through `values` that lies closest to them rises from the first to the last.
fn rise(values: &[f64]) -> f64 {
    let last = values.len() as f64 - 1.0;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let (product, square) =
        values.iter().enumerate().fold((0.0, 0.0), |(product, square), (index, value)| {
            let x = index as f64 - last / 2.0;
            (product + x * (value - mean), square + x * x)
        });
    product / square * last
}

/// When beeps of this frequency begin, in seconds of the file.
fn onsets(pcm: &Pcm, hertz: u32) -> Vec<f64> {
    // Windows of whole periods of both frequencies, so that neither hears the other.
    let (window, hop) = (pcm.rate as usize / 200, pcm.rate as usize / 2_000);
    let loud: Vec<f64> = (0..pcm.samples.len().saturating_sub(window) / hop)
        .map(|index| tone::amplitude(&pcm.samples[index * hop..][..window], pcm.rate, f64::from(hertz)))
        .collect();
    let half = loud.iter().copied().fold(0.0, f64::max) / 2.0;
    assert!(half > 0.02, "no beep of {hertz} Hz is heard");
    // Half of the window is full where its middle is at the beginning.
    let time = |index: usize| pcm.start + (index * hop + window / 2) as f64 / f64::from(pcm.rate);
    loud.windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0] < half && pair[1] >= half)
        .map(|(index, _)| time(index + 1))
        .collect()
}

/// The middle of where beeps lie between two seconds of host time, from 0 to 1. `host` is host time at the file's
/// beginning.
fn phase(onsets: &[f64], host: f64) -> f64 {
    let first = (onsets[0] + host).rem_euclid(1.0);
    let mut off: Vec<f64> = onsets.iter().map(|at| apart((at + host).rem_euclid(1.0), first)).collect();
    off.sort_by(f64::total_cmp);
    first + off[off.len() / 2]
}

/// How far two instants within a second are apart, the shorter way.
fn apart(one: f64, other: f64) -> f64 {
    (one - other + 0.5).rem_euclid(1.0) - 0.5
}

/// Host time in seconds at the beginning of a file, from codes and when each was seen; the middle of all.
fn host_of(seen: &[(f64, u32)], taken: impl Fn(u32) -> Option<f64>) -> f64 {
    let mut offsets: Vec<f64> = seen.iter().filter_map(|(at, code)| Some(taken(*code)? - at)).collect();
    assert!(offsets.len() as f64 > STRETCH, "only {} codes can be read", offsets.len());
    offsets.sort_by(f64::total_cmp);
    offsets[offsets.len() / 2]
}

/// Where sound lies against the pictures of camera and screen: four phases of beeps, which must be the same at the
/// beginning and at the end.
struct Looked {
    phases: Vec<(&'static str, f64)>,
}

fn look(spool: &Spool, recording: &str, from: f64, camera: &Camera, show: &CodeShow) -> Looked {
    let part = |track: &str| {
        let bounds = [("--from", from), ("--to", from + STRETCH)]
            .map(|(flag, at)| [flag.to_owned(), format!("{at:.3}s")]);
        let words: Vec<&str> =
            bounds.iter().flatten().map(String::as_str).chain(["--track", track]).collect();
        spool.export_part(recording, &format!("{track}-{from:.0}.mp4"), &words)
    };
    let heard = |file: &Path| {
        let pcm = Pcm::decode(file, 0);
        [MIC_HERTZ, SPEAKERS_HERTZ].map(|hertz| onsets(&pcm, hertz))
    };
    let (of_camera, of_screen) = (part("camera"), part("screen"));
    let area = camera::code_area(1280, 720);
    let seen: Vec<_> = Film::decode(&of_camera)
        .pictures
        .iter()
        .filter_map(|picture| Some((picture.at, picture.code_in(area)?)))
        .collect();
    let taken = |code| Some(camera.taken(code, (30, 1)) as f64 / 1e9);
    let by_camera = host_of(&seen, taken);
    let shown = |code| Some(show.find(code)?.after as f64 / 1e9);
    let by_screen = host_of(&Film::decode(&of_screen).codes(), shown);
    let ([mic, speakers], [mic_again, speakers_again]) = (heard(&of_camera), heard(&of_screen));
    for onsets in [&mic, &speakers] {
        assert!((onsets.len() as f64 - STRETCH).abs() <= 1.0, "beeps at {onsets:?}");
    }
    Looked {
        phases: vec![
            ("microphone against camera", phase(&mic, by_camera)),
            ("speakers against camera", phase(&speakers, by_camera)),
            ("microphone against screen", phase(&mic_again, by_screen)),
            ("speakers against screen", phase(&speakers_again, by_screen)),
        ],
    }
}

#[test]
fn sound_stays_with_pictures_and_memory_stays_flat() {
    let _turn = my_turn();
    let (display, sound, camera) =
        (Display::start(1280, 720), Sound::start(), Camera::plug_in().with_formats(&["NV12"]));
    let show = CodeShow::fill(&display, 30);
    let mut spool = Spool::new().on(&display).hearing(&sound);
    for (name, value) in camera::variables(&[&camera]) {
        spool = spool.with(&name, value);
    }
    let _beeps =
        [beeps(&sound, &spool, "micfeed", MIC_HERTZ), beeps(&sound, &spool, "speakers", SPEAKERS_HERTZ)];
    thread::sleep(Duration::from_secs(1));
    let seconds = format!("{}ms", length().as_millis());
    let mut recorder = spool.record([
        "--for",
        &seconds,
        "--mode",
        "both",
        "--fps",
        "30",
        "--preset",
        "720p",
        "--camera",
        "--camera-format",
        "1280x720@30",
        "--mic",
        "default",
        "--system-audio",
    ]);
    recorder.started();
    let engine = spool.engine().expect("an engine records");
    let looks = (length().as_secs() / LOOK.as_secs()).max(1);
    let memory: Vec<f64> = (0..looks)
        .map(|_| {
            thread::sleep(LOOK);
            resident(engine)
        })
        .collect();
    let finished = recorder.finished();
    println!("frames: {}; {} s", finished.event["frames"], finished.seconds());
    let told = spool.json(&["show", &finished.recording]);
    println!("what the recorder says itself: {}", told["check"]);
    println!("gaps: {}\nits log:\n{}", told["gaps"], spool.engine_log());

    let warm = &memory[memory.len() / 5..];
    let (least, most) =
        warm.iter().fold((f64::MAX, 0.0_f64), |(least, most), one| (least.min(*one), most.max(*one)));
    println!(
        "memory: {:.1} to {:.1} MB resident, {:+.2} MB over all",
        least / 1e6,
        most / 1e6,
        rise(warm) / 1e6
    );
    assert!(warm.len() < 3 || rise(warm) <= GROWTH_MAX, "memory in bytes, each {LOOK:?}: {memory:?}");

    let offset = told["check"]["end_offset_us"].as_f64().expect("sound and pictures were compared");
    assert!(offset.abs() <= 1e6, "sound ends {} s after the pictures", offset / 1e6);

    let (begun, ended) = (MARGIN, finished.seconds() - MARGIN - STRETCH);
    let begun = look(&spool, &finished.recording, begun, &camera, &show);
    let ended = look(&spool, &finished.recording, ended, &camera, &show);
    for ((what, begun), (_, ended)) in begun.phases.iter().zip(&ended.phases) {
        let moved = apart(*ended, *begun);
        println!("{what}: {:+.1} ms from beginning to end", moved * 1e3);
        assert!(moved.abs() <= OFFSET_MAX, "{what} moved by {moved} s");
    }
}
