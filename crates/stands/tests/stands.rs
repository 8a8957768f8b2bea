//! The stands themselves, looked at with other programs than Spool.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use spool_stands::{
    Camera, CameraState, CodeShow, Display, Hands, Wayland, Window,
    camera::{code_area, dress},
    codes::{self, Area},
    process::{output, tool},
    wait_for, window,
};
use std::{process::Command, time::Duration};
use x11rb::{
    connection::Connection as _,
    protocol::xproto::{ConnectionExt as _, ImageFormat},
};

const SECOND: Duration = Duration::from_secs(1);
const SIZE: (u32, u32) = (640, 480);

/// FFmpeg looks at the camera. It writes gray pictures to its standard output.
fn ffmpeg(camera: &Camera, format: &str, rate: &str, pictures: u32) -> Command {
    let mut command = tool("ffmpeg");
    dress(&mut command, &[camera]);
    let size = format!("{}x{}", SIZE.0, SIZE.1);
    command.args(["-v", "error", "-f", "v4l2", "-input_format", format, "-video_size", &size]);
    command.args(["-framerate", rate, "-i", camera.path(), "-frames:v", &pictures.to_string()]);
    command.args(["-f", "rawvideo", "-pix_fmt", "gray", "-"]);
    command
}

fn codes(pictures: &[u8]) -> Vec<u32> {
    let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
    let read = |luma: &[u8]| {
        let mean = |(x, y, across, down): Area| {
            let range = |from: f64, length: f64, side: usize| {
                (from * side as f64).ceil() as usize..((from + length) * side as f64) as usize
            };
            let rows = range(y, down, height);
            let all: Vec<_> = rows
                .flat_map(|row| {
                    luma[row * width..][range(x, across, width)].iter().map(|luma| f64::from(*luma))
                })
                .collect();
            all.iter().sum::<f64>() / all.len() as f64
        };
        codes::read(code_area(SIZE.0, SIZE.1), mean).expect("the code can be read")
    };
    pictures.chunks_exact(width * height).map(read).collect()
}

#[test]
fn a_camera_gives_numbered_pictures_in_every_format() {
    let camera = Camera::plug_in();
    for (format, rate) in [("yuyv422", "30"), ("nv12", "30000/1001"), ("mjpeg", "15")] {
        let done = output(&mut ffmpeg(&camera, format, rate, 12));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let codes = codes(&done.stdout);
        assert_eq!(codes.len(), 12);
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
    }
    let journal = camera.journal();
    let starts: Vec<_> = journal.iter().filter(|line| line.starts_with("start")).collect();
    assert_eq!(
        starts,
        ["start YUYV 640x480 30/1", "start NV12 640x480 30000/1001", "start MJPG 640x480 15/1"]
    );
    assert_eq!(journal.last().unwrap(), "close");
}

#[test]
fn a_camera_can_be_unplugged_and_forbidden() {
    let camera = Camera::plug_in();
    let look = |limit: u32| output(&mut ffmpeg(&camera, "nv12", "30", limit));
    camera.set(CameraState::Denied);
    assert!(String::from_utf8_lossy(&look(1).stderr).contains("Permission denied"));
    camera.set(CameraState::Gone);
    assert!(String::from_utf8_lossy(&look(1).stderr).contains("No such file"));
    camera.set(CameraState::Frozen);
    let codes = codes(&look(5).stdout);
    assert!(codes.len() == 5 && codes.iter().all(|code| *code == codes[0]), "{codes:?}");
    camera.set(CameraState::There);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| look(100_000));
        wait_for("pictures", 10 * SECOND, || {
            let starts = camera.journal().iter().filter(|line| line.starts_with("start")).count();
            (starts == 2).then_some(())
        });
        std::thread::sleep(SECOND / 2);
        camera.set(CameraState::Gone);
        let done = looking.join().unwrap();
        assert!(String::from_utf8_lossy(&done.stderr).contains("No such device"));
        assert!(self::codes(&done.stdout).len() > 5);
    });
}

#[test]
fn a_wayland_desktop_shows_what_it_is_given() {
    let mut desktop = Wayland::start(&[(640, 480), (320, 240)]);
    let shows = [
        CodeShow::on_wayland(&desktop, "HEADLESS-1", (0, 0, 640, 480), 30),
        CodeShow::on_wayland(&desktop, "HEADLESS-2", (0, 0, 160, 120), 30),
    ];
    for show in &shows {
        wait_for("a second of codes", 5 * SECOND, || (show.shown().len() > 30).then_some(()));
    }
    assert_eq!(desktop.questions(), 0, "nobody wants to see it");
    desktop.end_portal();
    desktop.start_portal();
}

#[test]
fn windows_are_where_they_are_put() {
    let display = Display::start(640, 480);
    let _manager = window::manage(&display);
    let (green, red) = (0x00_FF00, 0xFF_0000);
    let first = Window::open(&display, "first", (100, 50, 200, 100));
    wait_for("the first window", 2 * SECOND, || {
        first.fill(green);
        ([color(&display, 101, 51), color(&display, 299, 149)] == [green; 2]).then_some(())
    });
    let second = Window::open(&display, "second", (200, 50, 200, 100));
    wait_for("the second window", 2 * SECOND, || {
        second.fill(red);
        (color(&display, 250, 100) == red).then_some(())
    });
    first.move_to(10, 300);
    second.resize(50, 50);
    wait_for("both to be elsewhere", 2 * SECOND, || {
        first.fill(green);
        second.fill(red);
        let colors = [(11, 301), (209, 399), (249, 99), (299, 149)].map(|(x, y)| color(&display, x, y));
        (colors == [green, green, red, 0]).then_some(())
    });
    first.minimize();
    wait_for("it goes away", SECOND, || (color(&display, 11, 301) != green).then_some(()));
    let show = CodeShow::in_window(&second, 30);
    wait_for("codes", SECOND, || (show.shown().len() > 5).then_some(()));
    second.close();
    wait_for("it goes away", SECOND, || (color(&display, 249, 99) == 0).then_some(()));
    let hands = Hands::at(&display);
    hands.point(320, 240);
    hands.click(1);
    hands.press('a');
}

/// What the screen shows there, as 0xRRGGBB.
fn color(display: &Display, x: i16, y: i16) -> u32 {
    let server = display.connect();
    let root = server.setup().roots[0].root;
    let picture =
        server.get_image(ImageFormat::Z_PIXMAP, root, x, y, 1, 1, u32::MAX).unwrap().reply().unwrap();
    u32::from_le_bytes(picture.data[..4].try_into().unwrap()) & 0xFF_FFFF
}
