//! `spool show`

use crate::{args, args::Common, connect, library, words};
use anyhow::Result;
use engine::{
    command::{Command, Details, Reply},
    model::{Gap, GapReason, SessionState},
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
    for (key, value) in &details.metadata {
        println!("{key:<10} {value}");
    }
    for track in &details.tracks {
        let size = words::bytes(track.bytes);
        println!("{:<10} {} chunks, {size}, {}, {}", track.track, track.chunks, track.codec, track.label);
    }
    for gap in &details.gaps {
        println!("{}", describe(gap));
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
