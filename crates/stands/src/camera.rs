//! A camera where there is none. It is a fake, of which every program that is told so sees a `/dev/video0`: nothing
//! but the calls to a USB camera are made up (`fake_camera.c`), and everything that can go wrong with one happens on
//! demand.
//!
//! Its pictures are reddish on the left and bluish on the right, with the code of their number in the middle, within
//! the largest circle that the picture holds ([`code_area`]).

use crate::{
    codes::{Area, COLUMNS, ROWS, host_time},
    process::compile,
};
use std::{env, fs, path::PathBuf, process::Command};
use tempfile::TempDir;

/// What a camera does from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraState {
    /// It works.
    There,
    /// It is unplugged: not listed, and gone for those who have it open.
    Gone,
    /// It may not be opened.
    Denied,
    /// Another program has it.
    Busy,
    /// It gives the same picture again and again.
    Frozen,
    /// It gives no pictures.
    Stalled,
}

/// What programs are told with.
const PRELOAD: &str = "LD_PRELOAD";
const CAMERAS: &str = "FAKE_CAMERAS";

/// A plugged-in camera; unplugged when dropped by the process that plugged it in.
#[derive(Debug)]
pub struct Camera {
    _folder: Option<TempDir>,
    control: PathBuf,
    library: PathBuf,
    path: String,
    formats: String,
    rates: String,
    epoch: i64,
    name: u32,
}

impl Camera {
    /// `/dev/video0`, which gives YUYV, NV12 and Motion-JPEG at 30, 29.97 and 15 pictures a second.
    pub fn plug_in() -> Self {
        Self::plug_in_at(0)
    }

    /// `/dev/videoN`; even numbers only, since each camera has a second node, for metadata.
    pub fn plug_in_at(number: u32) -> Self {
        assert!(number.is_multiple_of(2), "odd numbers are for metadata");
        let folder =
            tempfile::Builder::new().prefix("spool-camera").tempdir().expect("there is room for a folder");
        let library = compile(include_str!("camera/fake_camera.c"), "fake_camera", folder.path());
        let camera = Self {
            control: folder.path().join("control"),
            _folder: Some(folder),
            library,
            path: format!("/dev/video{number}"),
            formats: "YUYV,NV12,MJPG".to_owned(),
            rates: "30/1,30000/1001,15/1".to_owned(),
            epoch: host_time(),
            name: number / 2 + 1,
        };
        camera.set(CameraState::There);
        camera
    }

    /// The cameras of which this process itself was told, for a test that runs its second half in such a process.
    pub fn seen() -> Vec<Self> {
        let library = PathBuf::from(env::var_os(PRELOAD).unwrap_or_default());
        let camera = |about: &str| {
            let [path, control, formats, rates, epoch, name] = about.split('|').collect::<Vec<_>>()[..]
            else {
                panic!("{about} is no camera");
            };
            Self {
                _folder: None,
                control: control.into(),
                library: library.clone(),
                path: path.to_owned(),
                formats: formats.to_owned(),
                rates: rates.to_owned(),
                epoch: epoch.parse().expect("it is a number"),
                name: name.parse().expect("it is a number"),
            }
        };
        env::var(CAMERAS)
            .unwrap_or_default()
            .split(';')
            .filter(|about| !about.is_empty())
            .map(camera)
            .collect()
    }

    /// Makes it the same camera as another, plugged in again: only one of the two should be there at a time.
    #[must_use]
    pub fn again(mut self, other: &Self) -> Self {
        self.name = other.name;
        self
    }

    /// Gives these formats only, of `YUYV`, `NV12`, `MJPG` and `BARE`, which is Motion-JPEG without the tables that
    /// every decoder of it knows by heart.
    #[must_use]
    pub fn with_formats(mut self, formats: &[&str]) -> Self {
        self.formats = formats.join(",");
        self
    }

    /// Gives these rates only, as pictures and seconds: (30000, 1001) is 29.97.
    #[must_use]
    pub fn with_rates(mut self, rates: &[(u32, u32)]) -> Self {
        let words: Vec<String> =
            rates.iter().map(|(pictures, seconds)| format!("{pictures}/{seconds}")).collect();
        self.rates = words.join(",");
        self
    }

    /// Its file in `/dev`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Changes what it does, also while programs use it.
    pub fn set(&self, state: CameraState) {
        let word = match state {
            CameraState::There => "there",
            CameraState::Gone => "gone",
            CameraState::Denied => "denied",
            CameraState::Busy => "busy",
            CameraState::Frozen => "frozen",
            CameraState::Stalled => "stalled",
        };
        // In one step, so that nobody reads half of it.
        let draft = self.control.with_extension("new");
        fs::write(&draft, word).expect("there is room for a file");
        fs::rename(draft, &self.control).expect("files can be renamed");
    }

    /// What programs did with it: lines such as `open`, `start YUYV 640x480 30/1`, `stop` and `close`.
    pub fn journal(&self) -> Vec<String> {
        let text = fs::read_to_string(self.control.with_extension("journal")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// When the picture with this number was taken, in nanoseconds of [`host_time`], at this rate in pictures and
    /// seconds.
    pub fn taken(&self, number: u32, (pictures, seconds): (u32, u32)) -> i64 {
        self.epoch + i64::from(number) * i64::from(seconds) * 1_000_000_000 / i64::from(pictures)
    }
}

/// What programs need in their environment to see these cameras, and no others.
pub fn variables(cameras: &[&Camera]) -> Vec<(String, String)> {
    let Some(first) = cameras.first() else { return Vec::new() };
    let about = |camera: &&Camera| {
        let Camera { path, control, formats, rates, epoch, name, .. } = camera;
        format!("{path}|{}|{formats}|{rates}|{epoch}|{name}", control.display())
    };
    let all: Vec<String> = cameras.iter().map(about).collect();
    vec![(PRELOAD.to_owned(), first.library.display().to_string()), (CAMERAS.to_owned(), all.join(";"))]
}

/// Lets a program see these cameras.
pub fn dress(command: &mut Command, cameras: &[&Camera]) {
    command.envs(variables(cameras));
}

/// Where in a picture of this size the code lies.
pub fn code_area(width: u32, height: u32) -> Area {
    let (columns, rows) = (u32::from(COLUMNS), u32::from(ROWS));
    let (across, down) = (height * 2 / 3 / columns / 8 * 8 * columns, height * 2 / 3 / rows / 8 * 8 * rows);
    let (left, top) = ((width - across) / 2 / 16 * 16, (height - down) / 2 / 8 * 8);
    let share = |length: u32, whole: u32| f64::from(length) / f64::from(whole);
    (share(left, width), share(top, height), share(across, width), share(down, height))
}
