//! What the kernel counted.

use anyhow::{Context, Result};
use rustix::param::clock_ticks_per_second;
use std::{fs, time::Duration};

/// Processor time of a running process, and of its children that have ended.
pub(crate) fn cpu_of(pid: u32) -> Result<Duration> {
    let stat = stat(&pid.to_string())?;
    // utime, stime, cutime and cstime of proc(5), counted after the name.
    Ok(ticks(&stat, 11..15))
}

/// Processor time of everything that this process started and that has ended.
pub(crate) fn cpu_of_children() -> Result<Duration> {
    Ok(ticks(&stat("self")?, 13..15))
}

/// The most memory that a process ever had resident, in bytes.
pub(crate) fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

/// The fields after the process's name, which may hold anything.
fn stat(process: &str) -> Result<Vec<String>> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| path.clone())?;
    let (_, fields) = stat.rsplit_once(") ").with_context(|| path)?;
    Ok(fields.split_whitespace().map(str::to_owned).collect())
}

fn ticks(stat: &[String], fields: std::ops::Range<usize>) -> Duration {
    let sum: u64 =
        stat.get(fields).unwrap_or_default().iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_secs_f64(sum as f64 / clock_ticks_per_second() as f64)
}

/// The one in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
