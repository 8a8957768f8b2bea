//! `spool devices`

use crate::{args, args::Common, connect, words};
use anyhow::Result;
use engine::command::{Command, Reply};

/// Cameras have dozens of formats, the best come first.
const FORMATS_SHOWN: usize = 6;

pub(crate) fn run(common: &Common, flags: &args::Devices) -> Result<()> {
    let mut client = connect::recorder(common)?;
    let reply = connect::ask(&mut client, Command::Devices { synthetic: flags.synthetic }, drop)?;
    let Reply::Devices(devices) = reply else { return connect::surprised(&reply) };
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
