//! What each stage of recording takes: capture, composition, encoding, on X11 and Wayland, with a camera in the picture
//! and without, beside `ffmpeg`, whose stages are told apart by leaving out the later ones.

use crate::{
    content::{Content, Films, Showing, desktop},
    meter::{cpu_of_children, median},
    table,
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use spool_tests::{Camera, Display, Running, Sheet, Wayland, camera, tool};
use std::{
    env,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

const SECONDS: u32 = 8;
const TICKS: f64 = SECONDS as f64 * 30.0;
const CONTENTS: [Content; 3] = [Content::Still, Content::Terminal, Content::Motion];
/// Milliseconds that a camera in the picture may add to a tick, beside its capture and decoding and the encoding of
/// what it changes.
const INSET_LIMIT: f64 = 1.0;
/// What OBS took for the same contents and the same settings of x264, in milliseconds of processor time a tick: told
/// with the tables, but taken on another day.
const OBS: &str = "OBS 29 is not measured in this run. Quoted, all stages together, 1080p30 on Xvfb with OpenGL by the \
                   processor, veryfast, 12 s on a machine with other load: still desktop 30 ms, scrolling terminal + \
                   top 29 ms, full-screen motion 25 ms (measured on 2026-11-21 on the same class of machine).";

/// Runs of each line, of which the median counts.
fn runs() -> u32 {
    env::var("SPOOL_BENCH_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// Milliseconds of processor time a tick.
#[derive(Debug, Clone, Copy)]
struct Stages {
    capture: f64,
    camera: f64,
    compose: f64,
    encode: f64,
    rest: f64,
    /// Pictures that were encoded, a tick.
    encoded: f64,
}

/// Where pictures come from.
enum Screen {
    X11(Display),
    Wayland(Wayland),
}

/// Prints the tables.
pub(crate) fn run() -> Result<()> {
    let films = Films::render()?;
    let camera = Camera::plug_in();
    let (mut rows, mut insets, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    for screen in [Screen::X11(desktop()?), Screen::Wayland(Wayland::start(&[(1920, 1080)]))] {
        for content in CONTENTS {
            let _showing = screen.show(content, &films)?;
            eprintln!("{}, {}", screen.name(), content.name());
            let without = stages(&screen, None)?;
            let with = stages(&screen, Some(&camera))?;
            eprintln!("without a camera {without:?}, with one {with:?}");
            rows.push(row(&screen, content, "no", &without));
            rows.push(row(&screen, content, "yes", &with));
            insets.push(inset_row(&screen, content, &without, &with));
            if let Screen::X11(display) = &screen {
                peers.push(peer_row(display, content, &camera)?);
                eprintln!("ffmpeg {:?}", peers.last());
            }
        }
    }
    let title = format!(
        "Stages of recording 1920×1080 at up to 30 fps: ms of processor time a tick, {SECONDS} s, median of {}",
        runs()
    );
    let head = [
        "screen",
        "content",
        "camera",
        "capture",
        "camera + decode",
        "compose + convert",
        "encode",
        "rest",
        "sum",
        "encoded",
    ];
    table::print(&title, &head, &rows);
    let head = ["screen", "content", "to a tick, limit", "to the mean picture"];
    table::print(
        "What a camera in the picture adds beside its capture, decoding and encoding: ms",
        &head,
        &insets,
    );
    let head = ["content", "capture", "convert", "encode", "sum", "sum with camera"];
    table::print("The same by ffmpeg -f x11grab", &head, &peers);
    println!(
        "ffmpeg: libx264 -preset veryfast -tune zerolatency -crf 23; its camera is -f v4l2, cropped, scaled, mirrored and \
              laid over the screen as a square of 270 pixels, ours the same square as a circle with a border."
    );
    println!("{OBS}");
    Ok(())
}

fn row(screen: &Screen, content: Content, camera: &str, stages: &Stages) -> Vec<String> {
    let Stages { capture, camera: decode, compose, encode, rest, encoded } = *stages;
    let sum = capture + decode + compose + encode + rest;
    let mut row = vec![screen.name().to_owned(), content.name().to_owned(), camera.to_owned()];
    row.extend([capture, decode, compose, encode, rest, sum].map(|millis| format!("{millis:.2}")));
    row.push(format!("{:.0} %", encoded * 100.0));
    row
}

fn inset_row(screen: &Screen, content: Content, without: &Stages, with: &Stages) -> Vec<String> {
    let tick = |stages: &Stages| stages.compose + stages.rest;
    let picture = |stages: &Stages| tick(stages) / stages.encoded.max(f64::MIN_POSITIVE);
    vec![
        screen.name().to_owned(),
        content.name().to_owned(),
        table::against(tick(with) - tick(without), INSET_LIMIT),
        format!("{:.2}", picture(with) - picture(without)),
    ]
}

/// The median of each stage.
fn stages(screen: &Screen, camera: Option<&Camera>) -> Result<Stages> {
    let all = (0..runs()).map(|_| line(screen, camera)).collect::<Result<Vec<_>>>()?;
    let middle = |name: &str| median(all.iter().filter_map(|run| run[name].as_f64()).collect()) / TICKS;
    Ok(Stages {
        capture: middle("capture"),
        camera: middle("camera"),
        compose: middle("compose"),
        encode: middle("encode"),
        rest: middle("rest"),
        encoded: middle("encoded"),
    })
}

/// One run of the recorder's own parts in these surroundings.
fn line(screen: &Screen, camera: Option<&Camera>) -> Result<Value> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["line", &SECONDS.to_string()]);
    screen.dress(&mut command);
    if let Some(camera) = camera {
        command.arg("camera");
        camera::dress(&mut command, &[camera]);
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    screen.stir();
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    serde_json::from_slice(&output.stdout).context("it does not say what it took")
}

impl Screen {
    fn name(&self) -> &'static str {
        match self {
            Self::X11(_) => "X11",
            Self::Wayland(_) => "Wayland",
        }
    }

    fn dress(&self, command: &mut Command) {
        match self {
            Self::X11(display) => {
                command.env("DISPLAY", display.name());
                for foreign in ["WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "DBUS_SESSION_BUS_ADDRESS"] {
                    command.env_remove(foreign);
                }
            }
            Self::Wayland(desktop) => desktop.dress(command),
        }
    }

    /// Lets something small change for a moment: a Wayland desktop on which all stands still gives no first picture.
    fn stir(&self) {
        if let Self::Wayland(desktop) = self {
            let mut sheet = Sheet::open(desktop, "HEADLESS-1", (0, 0, 16, 16));
            for color in [0x20_20_20, 0x30_30_30].repeat(10) {
                sheet.fill(color);
                thread::sleep(Duration::from_millis(150));
            }
        }
    }

    /// Shows this until the guards are dropped.
    fn show(&self, content: Content, films: &Films) -> Result<(Option<Showing>, Vec<Running>)> {
        match self {
            Self::X11(display) => Ok((Some(Showing::start(content, display, films)?), Vec::new())),
            Self::Wayland(desktop) => Ok((None, clients(desktop, content))),
        }
    }
}

/// The same contents by clients of Wayland.
fn clients(desktop: &Wayland, content: Content) -> Vec<Running> {
    let start = |name: &str, arguments: &[&str]| {
        let mut command = desktop.command(name);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        Running::start(&mut command)
    };
    let terminal = |script: &str| {
        start("foot", &["--config", "/dev/null", "--font", "DejaVu Sans Mono:size=11", "sh", "-c", script])
    };
    let shown = match content {
        Content::Still => vec![terminal(Content::STILL)],
        Content::Terminal => vec![terminal(Content::LINES), terminal(Content::TOP)],
        Content::Window | Content::Motion => {
            let film = "av://lavfi:testsrc2=size=1920x1080:rate=30";
            let quiet = ["--no-config", "--no-audio", "--no-osc", "--osd-level=0", "--untimed=no"];
            vec![start("mpv", &[&["--vo=wlshm", "--fullscreen", film][..], &quiet].concat())]
        }
    };
    thread::sleep(Duration::from_secs(2));
    shown
}

/// FFmpeg's stages: each run does more than the one before.
fn peer_row(display: &Display, content: Content, camera: &Camera) -> Result<Vec<String>> {
    const X264: [&str; 8] = ["-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-crf", "23"];
    let file = ["-pix_fmt", "yuv420p", "-f", "mp4", "-movflags", "empty_moov", "/dev/null"];
    let whole = [&X264[..], &file].concat();
    let over = "[1:v]crop=720:720,scale=270:270,hflip[inset];[0:v][inset]overlay=W-w-32:H-h-32";
    let with_camera = [&["-filter_complex", over][..], &whole].concat();
    let captured = peer(display, None, &["-f", "null", "-"])?;
    let converted = peer(display, None, &["-pix_fmt", "yuv420p", "-f", "null", "-"])?;
    let encoded = peer(display, None, &whole)?;
    let inset = peer(display, Some(camera), &with_camera)?;
    let mut row = vec![content.name().to_owned()];
    row.extend(
        [captured, converted - captured, encoded - converted, encoded, inset]
            .map(|millis| format!("{millis:.2}")),
    );
    Ok(row)
}

/// Milliseconds of processor time a tick, the median of some runs.
fn peer(display: &Display, camera: Option<&Camera>, output: &[&str]) -> Result<f64> {
    let one = || -> Result<f64> {
        let before = cpu_of_children()?;
        let mut command = tool("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-y", "-thread_queue_size", "512"]);
        let (width, height) = display.size();
        command.args(["-f", "x11grab", "-framerate", "30", "-video_size", &format!("{width}x{height}")]);
        command.args(["-i", display.name()]);
        if let Some(camera) = camera {
            command.args(["-f", "v4l2", "-input_format", "nv12", "-video_size", "1280x720"]);
            command.args(["-framerate", "30", "-i", camera.path()]);
            camera::dress(&mut command, &[camera]);
        }
        // The length is that of the output: a camera goes on without end.
        let (place, options) = output.split_last().context("an output has a place")?;
        command.args(options).args(["-t", &SECONDS.to_string(), place]);
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
        ensure!(status.success(), "{command:?}: {status}");
        Ok((cpu_of_children()? - before).as_secs_f64() * 1e3 / TICKS)
    };
    Ok(median((0..runs()).map(|_| one()).collect::<Result<_>>()?))
}
