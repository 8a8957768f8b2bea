//! Both recorders, as their users run them.

use crate::meter::{cpu_of, cpu_of_children, peak_memory};
use anyhow::{Context, Result, ensure};
use spool_tests::{Display, Finished, Sound, Spool, tool};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// What one recording cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Seconds of processor time.
    pub(crate) cpu: f64,
    /// Bytes of memory at most.
    pub(crate) memory: f64,
    /// Pictures that were lost.
    pub(crate) dropped: u64,
    /// Share of the looks at the screen that found something new.
    pub(crate) changed: f64,
}

/// An engine that runs already, with its display and perhaps sound.
pub(crate) struct Ours {
    pub(crate) spool: Spool,
    engine: u32,
    sounding: bool,
}

impl Ours {
    pub(crate) fn start(display: &Display, sound: Option<&Sound>) -> Result<Self> {
        let mut spool = Spool::new().on(display);
        if let Some(sound) = sound {
            spool = spool.hearing(sound);
        }
        spool.run(["devices"]).ok();
        let engine = spool.engine().context("no engine was started")?;
        Ok(Self { spool, engine, sounding: sound.is_some() })
    }

    /// Records for some seconds and gives what it cost the engine and the command together.
    pub(crate) fn record(&self, seconds: u32) -> Result<(Finished, Cost)> {
        let before = cpu_of(self.engine)? + cpu_of_children()?;
        let length = format!("{seconds}s");
        let mut arguments = vec!["--for", &length, "--preset", "1080p", "--fps", "30"];
        let sound: &[&str] =
            if self.sounding { &["--mic", "default", "--system-audio"] } else { &["--no-mic"] };
        arguments.extend(sound);
        let finished = self.spool.record(arguments).finished();
        let cpu = cpu_of(self.engine)? + cpu_of_children()? - before;
        let looks = finished.frames("captured") + finished.frames("unchanged");
        let cost = Cost {
            cpu: cpu.as_secs_f64(),
            memory: peak_memory(self.engine).context("the engine is gone")? as f64,
            dropped: finished.frames("dropped"),
            changed: finished.frames("captured") as f64 / looks.max(1) as f64,
        };
        Ok((finished, cost))
    }

    /// An ordinary file of a recording.
    pub(crate) fn export(&self, finished: &Finished, name: &str) -> PathBuf {
        self.spool.export(&finished.recording, name)
    }
}

/// `ffmpeg -f x11grab`, with the same sound in the same three tracks where ours has sound.
pub(crate) struct Peer<'a> {
    pub(crate) display: &'a Display,
    pub(crate) sound: Option<&'a Sound>,
}

impl Peer<'_> {
    /// Records for some seconds into a file.
    pub(crate) fn record(&self, seconds: u32, file: &Path) -> Result<Cost> {
        let before = cpu_of_children()?;
        let mut child = self.command(seconds, file).spawn()?;
        let mut memory = 0;
        let status = loop {
            memory = peak_memory(child.id()).unwrap_or(0).max(memory);
            if let Some(status) = child.try_wait()? {
                break status;
            }
            thread::sleep(Duration::from_millis(50));
        };
        ensure!(status.success(), "ffmpeg failed: {status}");
        let cpu = (cpu_of_children()? - before).as_secs_f64();
        Ok(Cost { cpu, memory: memory as f64, dropped: 0, changed: 1.0 })
    }

    /// The peer's command line.
    pub(crate) fn command(&self, seconds: u32, file: &Path) -> Command {
        let mut command = match self.sound {
            Some(sound) => sound.command("ffmpeg"),
            None => tool("ffmpeg"),
        };
        command.args(["-v", "error", "-nostdin", "-y", "-thread_queue_size", "512"]);
        let (width, height) = self.display.size();
        command.args(["-f", "x11grab", "-framerate", "30", "-video_size", &format!("{width}x{height}")]);
        command.args(["-i", self.display.name()]);
        if self.sound.is_some() {
            for source in ["mic", "speakers.monitor"] {
                command.args(["-thread_queue_size", "1024", "-f", "pulse", "-i", source]);
            }
            let mix = "[1:a]asplit[a][mic];[2:a]asplit[b][system];[a][b]amix=normalize=0[mix]";
            command.args(["-filter_complex", mix, "-map", "0:v"]);
            command
                .args(["-map", "[mix]", "-map", "[mic]", "-map", "[system]", "-c:a", "aac", "-b:a", "128k"]);
        }
        command.args(["-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-crf", "23"]);
        command.args(["-pix_fmt", "yuv420p", "-t", &seconds.to_string()]).arg(file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        command
    }
}
