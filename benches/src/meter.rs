//! What the kernel counted.

use anyhow::{Context, Result};
use rustix::{
    param::clock_ticks_per_second,
    thread::gettid,
    time::{ClockId, clock_gettime},
};
use std::{collections::BTreeMap, fs, time::Duration};

/// Processor time of the calling thread so far.
pub(crate) fn thread_cpu() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or_default())
}

/// Processor time of each thread of this process.
#[derive(Debug, Clone)]
pub(crate) struct Tasks(BTreeMap<i32, Duration>);

impl Tasks {
    /// So far.
    pub(crate) fn now() -> Result<Self> {
        let mut tasks = BTreeMap::new();
        for task in fs::read_dir("/proc/self/task")? {
            let task = task?;
            // One that has ended meanwhile counts for nothing more.
            let Ok(times) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            let id = task.file_name().to_str().and_then(|name| name.parse().ok()).context("no thread id")?;
            let nanos = times.split(' ').next().and_then(|nanos| nanos.parse().ok()).context("no times")?;
            tasks.insert(id, Duration::from_nanos(nanos));
        }
        Ok(Self(tasks))
    }

    /// Those that are not among `others`.
    pub(crate) fn without(mut self, others: &Self) -> Self {
        self.0.retain(|id, _| !others.0.contains_key(id));
        self
    }

    /// What each has spent since an earlier look.
    pub(crate) fn since(mut self, earlier: &Self) -> Self {
        for (id, spent) in &mut self.0 {
            *spent = spent.saturating_sub(earlier.0.get(id).copied().unwrap_or_default());
        }
        self
    }

    /// Of all threads.
    pub(crate) fn total(&self) -> Duration {
        self.0.values().sum()
    }

    /// Of those threads that are also among `others`.
    pub(crate) fn of(&self, others: &Self) -> Duration {
        self.0.iter().filter(|(id, _)| others.0.contains_key(id)).map(|(_, spent)| *spent).sum()
    }

    /// Of the calling thread.
    pub(crate) fn of_this_thread(&self) -> Duration {
        self.0.get(&gettid().as_raw_nonzero().get()).copied().unwrap_or_default()
    }
}

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
    kilobytes(&format!("/proc/{pid}/status"), "VmHWM:")
}

/// What a process has of memory now, in bytes: what it shares counts as its part of it, so that sums are true.
pub(crate) fn memory_of(pid: u32) -> Option<u64> {
    kilobytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

fn kilobytes(path: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(value.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
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
