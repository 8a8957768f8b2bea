//! What cameras are called: by names that stay when they are plugged in again, under another number or elsewhere.
//!
//! Owns: how `/dev` and `/dev/v4l` are read. Names by id (`usb-046d_HD_Webcam-video-index0`) go with the device, names
//! by path with the socket that it is plugged into; where the system gives neither, the driver's words for both are one.
//! Tested below on folders that look like them.

use super::{
    Fault,
    device::{Device, Label},
    sys,
};
use std::{
    ffi::CString,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

const DEV: &str = "/dev";
/// Better names first.
const LINKS: [&str; 2] = ["v4l/by-id", "v4l/by-path"];

/// A camera that is there.
pub(super) struct Found {
    pub name: String,
    pub path: PathBuf,
    pub label: Label,
    pub device: Device,
}

/// All cameras that may be opened, in the order of their numbers, and the first of those that may not.
pub(super) fn cameras() -> (Vec<Found>, Option<PathBuf>) {
    let (mut found, mut denied) = (Vec::<Found>::new(), None);
    let links = links(Path::new(DEV));
    for path in nodes(Path::new(DEV)) {
        match Device::open(&path) {
            Ok(device) => {
                let Some(label) = device.label() else { continue };
                let linked = links.iter().find(|link| link.node == path).map(|link| link.name.clone());
                let taken: Vec<&str> = found.iter().map(|camera| camera.name.as_str()).collect();
                let name = linked.unwrap_or_else(|| unique(&label, &taken));
                found.push(Found { name, path, label, device });
            }
            Err(Fault::Denied) => denied = denied.or(Some(path)),
            Err(_) => {}
        }
    }
    (found, denied)
}

/// The file of the camera of this name, or of any of its other names.
pub(super) fn find(name: &str) -> Result<PathBuf, Fault> {
    if name.starts_with("/dev/video") || name.starts_with("/dev/v4l/") {
        return Ok(name.into());
    }
    if let Some(link) = links(Path::new(DEV)).into_iter().find(|link| link.name == name) {
        return Ok(link.node);
    }
    let (found, denied) = cameras();
    match (found.into_iter().find(|camera| camera.name == name), denied) {
        (Some(camera), _) => Ok(camera.path),
        // Its name cannot be read, and it may be the one.
        (None, Some(_)) => Err(Fault::Denied),
        (None, None) => Err(Fault::Gone),
    }
}

/// Whether its file may not be opened any more. One that is gone is noticed elsewhere.
pub(super) fn is_denied(path: &Path) -> bool {
    let Ok(text) = CString::new(path.as_os_str().as_bytes()) else { return false };
    matches!(sys::may_use(&text).map_err(|error| Fault::of(error, "look at")), Err(Fault::Denied))
}

/// What the user can do about a file that may not be opened.
pub(super) fn advice(path: &Path) -> String {
    let path = path.display();
    let meta = fs::metadata(path.to_string()).ok();
    let group = meta.filter(|meta| meta.gid() != 0 && meta.mode() & 0o060 == 0o060).map(|meta| meta.gid());
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    match group.and_then(|id| group_name(&groups, id)) {
        Some(group) => format!(
            "your user may not open {path}: join the group {group} with `sudo usermod -aG {group} $USER`, then log \
             out and in again"
        ),
        None => format!("your user may not open {path}: allow it with `sudo setfacl -m u:$USER:rw {path}`"),
    }
}

fn group_name(groups: &str, id: u32) -> Option<&str> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then_some(name)
    })
}

/// A name that somebody else keeps up to date.
struct Link {
    name: String,
    node: PathBuf,
}

fn links(dev: &Path) -> Vec<Link> {
    let folders = LINKS.iter().filter_map(|folder| fs::read_dir(dev.join(folder)).ok());
    let mut links = Vec::new();
    for folder in folders {
        let mut here: Vec<Link> = folder
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let node = fs::canonicalize(entry.path()).ok()?;
                Some(Link { name: entry.file_name().into_string().ok()?, node })
            })
            .collect();
        here.sort_by(|a, b| a.name.cmp(&b.name));
        links.extend(here);
    }
    links
}

/// `/dev/videoN`, by number.
fn nodes(dev: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(dev).into_iter().flatten().filter_map(Result::ok);
    let number = |name: &str| name.strip_prefix("video")?.parse::<u32>().ok();
    let mut numbers: Vec<u32> = names.filter_map(|entry| number(entry.file_name().to_str()?)).collect();
    numbers.sort_unstable();
    numbers.into_iter().map(|number| dev.join(format!("video{number}"))).collect()
}

/// Of the card and where it is plugged in. One device may have two cameras.
fn unique(label: &Label, taken: &[&str]) -> String {
    let plain = |text: &str| {
        let keep = |c: char| if c.is_ascii_alphanumeric() || "._:-".contains(c) { c } else { '_' };
        text.chars().map(keep).collect::<String>()
    };
    let name = format!("{}@{}", plain(&label.card), plain(&label.bus));
    let numbered = (2..).map(|number| format!("{name}#{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names.find(|name| !taken.contains(&name.as_str())).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn names_go_with_the_device_and_not_with_its_number() {
        let dev = tempfile::tempdir().unwrap();
        let dev = dev.path().canonicalize().unwrap();
        for folder in LINKS {
            fs::create_dir_all(dev.join(folder)).unwrap();
        }
        for name in ["video10", "video2", "video0", "videos", "video", "media0"] {
            fs::write(dev.join(name), "").unwrap();
        }
        assert_eq!(nodes(&dev), ["video0", "video2", "video10"].map(|name| dev.join(name)));
        symlink("../../video2", dev.join("v4l/by-id/usb-046d_Webcam-video-index0")).unwrap();
        symlink("../../video2", dev.join("v4l/by-path/pci-0000-video-index0")).unwrap();
        symlink("../../video9", dev.join("v4l/by-id/usb-gone-video-index0")).unwrap();
        let name = |node: &str| {
            links(&dev).into_iter().find(|link| link.node == dev.join(node)).map(|link| link.name)
        };
        assert_eq!(name("video2").as_deref(), Some("usb-046d_Webcam-video-index0"));
        assert_eq!((name("video0"), name("video9")), (None, None));
        fs::remove_file(dev.join("v4l/by-id/usb-046d_Webcam-video-index0")).unwrap();
        symlink("../../video10", dev.join("v4l/by-id/usb-046d_Webcam-video-index0")).unwrap();
        assert_eq!(name("video10").as_deref(), Some("usb-046d_Webcam-video-index0"));
    }

    #[test]
    fn two_cameras_of_one_device_have_two_names() {
        let label = Label { card: "HD Webcam: HD".to_owned(), bus: "usb-0000:00:14.0-2".to_owned() };
        let first = unique(&label, &[]);
        assert_eq!(first, "HD_Webcam:_HD@usb-0000:00:14.0-2");
        assert_eq!(unique(&label, &[&first]), format!("{first}#2"));
    }

    #[test]
    fn advice_names_the_group() {
        let groups = "root:x:0:\nvideo:x:44:alice\n";
        assert_eq!(
            (group_name(groups, 44), group_name(groups, 45), group_name("junk", 1)),
            (Some("video"), None, None)
        );
    }
}
