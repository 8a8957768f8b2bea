//! `spool devices`

use crate::{args, args::Common, connect, look, words};
use anyhow::{Context, Result};
use engine::{
    Client,
    command::{Command, Device, Reply},
};
use std::{fs, path::Path};

/// Cameras have dozens of formats, the best come first.
const FORMATS_SHOWN: usize = 6;
/// Pixels across: enough to tell windows apart.
const PICTURE_WIDTH: u32 = 640;

pub(crate) fn run(common: &Common, flags: &args::Devices) -> Result<()> {
    let mut client = connect::recorder(common)?;
    let reply = connect::ask(&mut client, Command::Devices { synthetic: flags.synthetic }, drop)?;
    let Reply::Devices(devices) = reply else { return connect::surprised(&reply) };
    if let Some(folder) = &flags.pictures {
        pictures(&mut client, &devices, folder)?;
    }
    if common.json {
        return words::print_json(&devices);
    }
    if devices.is_empty() {
        println!("Nothing can be recorded here; `spool record --synthetic` needs no device.");
    }
    for device in devices {
        let default = if device.is_default { "*" } else { " " };
        let size = device.size.map(|[width, height]| format!(", {width}x{height}")).unwrap_or_default();
        println!("{default} {:<12}  {:<40}  {}{size}", device.kind.replace('_', " "), device.id, device.name);
        if !device.formats.is_empty() {
            let shown = device.formats.len().min(FORMATS_SHOWN);
            let more = match device.formats.len() - shown {
                0 => String::new(),
                more => format!(" and {more} more, see --json"),
            };
            println!("{:<15} {}{more}", "", device.formats[..shown].join(", "));
        }
    }
    if flags.synthetic {
        return Ok(());
    }
    let reply = connect::ask(&mut client, Command::Permissions, drop)?;
    let Reply::Permissions(permissions) = reply else { return connect::surprised(&reply) };
    for permission in permissions.iter().filter(|permission| !permission.advice.is_empty()) {
        println!("  {}: {}", permission.kind.replace('_', " "), permission.advice);
    }
    Ok(())
}

/// A picture of each device that has one; what cannot be seen now is told.
fn pictures(client: &mut Client, devices: &[Device], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for device in
        devices.iter().filter(|device| ["screen", "window", "camera"].contains(&device.kind.as_str()))
    {
        let id = device.id.clone();
        match client.ask(Command::Glance { device: id, width: PICTURE_WIDTH }, drop)? {
            Ok(Reply::Blob(blob)) => look::write(&folder.join(file_name(&device.id)), &blob.bytes)?,
            Ok(reply) => return connect::surprised(&reply),
            Err(problem) => eprintln!("spool: {}: {problem}", device.id),
        }
    }
    Ok(())
}

/// `x11:window:0x1c` becomes `x11-window-0x1c.jpg`.
fn file_name(id: &str) -> String {
    let safe = |letter: char| if letter.is_alphanumeric() || letter == '.' { letter } else { '-' };
    format!("{}.jpg", id.chars().map(safe).collect::<String>())
}
