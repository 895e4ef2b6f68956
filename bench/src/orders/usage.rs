use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context as _, Result};
use rustix::param::{clock_ticks_per_second, page_size};
use serde::Serialize;

/// Processors and memory that some processes have used so far.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Usage {
    pub(super) cpu: Duration,
    /// Resident, in bytes; of several processes, what they share is counted once.
    pub(super) memory: u64,
}

/// Of a process alone.
pub(super) fn of(pid: u32) -> Result<Usage> {
    read(pid).map(|process| process.usage)
}

/// Of a process and all that it has started, those that have ended included.
pub(super) fn of_tree(root: u32) -> Result<Usage> {
    let processes: BTreeMap<u32, Process> = fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, read(pid).ok()?)))
        .collect();
    let mut total = Usage::default();
    for (pid, process) in &processes {
        if *pid == root || process.parent == root {
            total.cpu += process.usage.cpu;
            total.memory += proportional(*pid).unwrap_or(process.usage.memory);
        }
    }
    total.cpu += processes.get(&root).context("the database server is gone")?.of_ended_children;
    Ok(total)
}

struct Process {
    parent: u32,
    usage: Usage,
    of_ended_children: Duration,
}

fn read(pid: u32) -> Result<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; the fields after it are numbered from 3 (proc(5)).
    let (_, rest) = stat.rsplit_once(") ").context("no stat")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let field = |number: usize| -> Result<u64> {
        Ok(fields.get(number - 3).context("a short stat")?.trim().parse()?)
    };
    let ticks =
        |ticks: u64| Duration::from_secs(ticks) / u32::try_from(clock_ticks_per_second()).unwrap_or(100);
    let own = ticks(field(14)? + field(15)?);
    Ok(Process {
        parent: u32::try_from(field(4)?)?,
        usage: Usage { cpu: own, memory: field(24)? * page_size() as u64 },
        of_ended_children: ticks(field(16)? + field(17)?),
    })
}

/// A process's share of what it has resident: what it shares with others is divided among them (proc(5), smaps).
fn proportional(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
