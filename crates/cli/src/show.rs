//! `spool show`

use crate::{args, args::Common, connect, library, words};
use anyhow::Result;
use engine::{
    command::{Command, Details, Encryption, Reply, Uploaded},
    model::{Gap, GapReason, SelfCheck, SessionState},
};

pub(crate) fn run(common: &Common, flags: &args::Id) -> Result<()> {
    let mut client = connect::engine(common)?;
    let id = library::resolve(&mut client, &flags.id)?;
    let reply = connect::ask(&mut client, Command::Show { id }, drop)?;
    let Reply::Details(details) = reply else { return connect::surprised(&reply) };
    if common.json {
        return words::print_json(&details);
    }
    print(&details);
    Ok(())
}

fn print(details: &Details) {
    let line = &details.line;
    println!("{}", if line.title.is_empty() { "Untitled" } else { &line.title });
    if !details.description.is_empty() {
        println!("{}", details.description);
    }
    println!("recording  {}", line.recording);
    println!("session    {}", line.session);
    println!("started    {}", words::date(line.started_at));
    println!("length     {}", words::clock(line.duration_ms));
    println!("size       {}", words::bytes(line.bytes));
    match line.encryption {
        Encryption::Plain => {}
        Encryption::Encrypted => println!("encrypted  yes"),
        Encryption::Locked => {
            println!("encrypted  yes, and LOCKED: its key is not here; see `spool key show`")
        }
    }
    match (line.state, line.lost_ms) {
        (SessionState::Recording, _) => println!("state      recording now"),
        (SessionState::Finalized, _) => println!("state      complete"),
        (SessionState::Recovered, lost) => {
            println!(
                "state      recovered after a crash; at most {} ms missing at the end",
                lost.unwrap_or(0)
            );
        }
    }
    if let Some(since) = line.trashed_at {
        println!("trash      since {}", words::date(since));
    }
    print_upload(details);
    for (key, value) in &details.metadata {
        println!("{key:<10} {value}");
    }
    for track in &details.tracks {
        let size = words::bytes(track.bytes);
        println!("{:<10} {} chunks, {size}, {}, {}", track.track, track.chunks, track.codec, track.label);
    }
    for mark in &details.marks {
        println!("mark       at {:.3} s  {}", mark.at_ms as f64 / 1e3, mark.label);
    }
    for gap in &details.gaps {
        println!("{}", describe(gap));
    }
    if let Some(check) = &details.check {
        print_check(check);
    }
}

/// What the server has of it.
fn print_upload(details: &Details) {
    match (&details.receipt, details.line.uploaded) {
        (Some(receipt), _) => {
            let (at, vouched) = (words::date(receipt.at), receipt.vouched);
            println!("receipt    {} at {}, {at}", words::verified(receipt), receipt.server);
            println!(
                "           {} files read back by the server, {} checked by its store",
                vouched.read_back, vouched.store
            );
            receipt.missing.iter().for_each(|name| println!("missing    {name} at the server"));
        }
        (None, Uploaded::Waiting) => println!("upload     waits for it"),
        (None, Uploaded::Partial) => println!("upload     some of it is at the server"),
        (None, Uploaded::NotWanted | Uploaded::Verified) => {}
    }
}

/// Sound against pictures, as they compared at the end.
fn print_check(check: &SelfCheck) {
    let verdict = if check.is_together() { "together" } else { "OUT OF STEP" };
    let end = check.end_offset_us.map_or_else(String::new, |offset| {
        let (ms, side) = (offset.abs() as f64 / 1e3, if offset < 0 { "before" } else { "after" });
        format!("; sound ends {ms:.0} ms {side} the picture")
    });
    println!("A/V check  {verdict}{end}");
    for sound in &check.sound {
        let filled = if sound.filled_ms > 0 {
            format!(", {} ms of silence put in", sound.filled_ms)
        } else {
            String::new()
        };
        let (track, drift, off) = (&sound.track, sound.drift_ppm, sound.offset_us.abs() as f64 / 1e3);
        println!(
            "           {track}: clock off by {drift} ppm, put right; never more than {off:.1} ms off{filled}"
        );
    }
}

fn describe(gap: &Gap) -> String {
    let (start, duration) = (gap.span.start.as_secs_f64(), gap.span.duration().as_secs_f64());
    let track = gap.track.as_ref().map_or("everything", |track| track.as_str());
    let reason = match gap.reason {
        GapReason::Paused => "paused",
        GapReason::Slept => "the machine slept",
        GapReason::Stalled => "the machine or its disk stood still",
        GapReason::DeviceLost => "the device was gone",
        GapReason::PermissionRevoked => "the permission to record it was taken back",
        GapReason::Closed => "its window was closed",
        GapReason::SamplesLost => "the device delivered nothing",
        GapReason::EncoderFailed => "the encoder failed",
    };
    format!("gap        {track} at {start:.2} s for {duration:.2} s: {reason}")
}
