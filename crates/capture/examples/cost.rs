//! What a source costs: `cargo run --release --example cost -- SOURCE [SECONDS] [FPS]`.
//!
//! Prints when its first sample came, what became of the looks at it, and the processor time of this process per
//! look. Pictures are taken and let go, sound is thrown away.

use clock::{HostClock, SessionClock};
use model::HostTime;
use spool_capture::{Intake, Outlet, SampleSink, SourceConfig, SourceId, native, synthetic};
use std::{
    env,
    error::Error,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

struct Host(Instant);

impl HostClock for Host {
    fn now(&self) -> HostTime {
        HostTime(self.0.elapsed().as_nanos() as i64)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let id = SourceId::new(arguments.next().ok_or("name a source")?);
    let length = Duration::from_secs(arguments.next().map_or(Ok(5), |text| text.parse())?);
    let fps = arguments.next().map_or(Ok(30), |text| text.parse())?;
    let backend = if id.as_str().starts_with("synthetic:") { synthetic() } else { native() };
    let host = Arc::new(Host(Instant::now()));
    let track: model::TrackId = "source".parse()?;
    let (outlet, intake) = Outlet::new(&[std::slice::from_ref(&track)]);
    let clock = Arc::new(SessionClock::new(host.now()));
    let sink = SampleSink::new(track.clone(), outlet, clock, host);

    let begun = Instant::now();
    let capture = backend.open(&id, &SourceConfig::new(fps), sink)?;
    let opened = begun.elapsed();
    let first = first_sample(&intake, &track).map(|()| begun.elapsed());
    let (before, spent) = (intake.viewers[0].pictures.counts(&track), cpu_time()?);
    let begun = Instant::now();
    let mut blocks = 0;
    while begun.elapsed() < length {
        intake.viewers[0].pictures.wait(Duration::from_millis(100));
        intake.viewers[0].pictures.take(&track);
        blocks += intake.sound.try_iter().count();
    }
    let spent = cpu_time()? - spent;
    let after = intake.viewers[0].pictures.counts(&track);
    drop(capture);

    let (captured, unchanged) = (after.captured - before.captured, after.unchanged - before.unchanged);
    println!("opened after {opened:.1?}, first sample after {first:.1?}");
    println!("{captured} captured, {unchanged} unchanged, {} dropped, {blocks} of sound", after.dropped);
    let looks = (captured + unchanged).max(blocks as u64).max(1);
    println!("{:.3} ms of processor time per look", spent.as_secs_f64() * 1e3 / looks as f64);
    Ok(())
}

fn first_sample(intake: &Intake, track: &model::TrackId) -> Option<()> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        intake.viewers[0].pictures.wait(Duration::from_millis(1));
        if intake.viewers[0].pictures.take(track).is_some() || !intake.sound.is_empty() {
            return Some(());
        }
    }
    None
}

/// Of all threads of this process.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let mut nanos = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let times = fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += times.split(' ').next().ok_or("no times")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}
