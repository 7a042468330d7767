//! What a process costs, as Linux counts it (proc(5)).

use std::fs;
use std::time::Duration;

use anyhow::{Context, bail};

/// The processor time of a process with all its threads, those that ended too.
pub fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let fields = stat(pid)?;
    Ok(ticks(&fields[11..13]))
}

/// The processor time of a process and all that it started, dead or alive.
pub fn cpu_of_family(pid: u32) -> anyhow::Result<Duration> {
    let fields = stat(pid)?;
    let mut total = ticks(&fields[11..15]);
    for entry in fs::read_dir("/proc")? {
        let Some(other) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // One that has ended meanwhile is in its parent's count from the next look on.
        if let Ok(fields) = stat(other)
            && fields[1] == pid.to_string()
        {
            total += ticks(&fields[11..15]);
        }
    }
    Ok(total)
}

/// The fields of `/proc/PID/stat` from the third on, `state`: the second is a name that may hold anything.
fn stat(pid: u32) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = text.rsplit_once(')').context("no name in stat")?;
    let fields: Vec<String> = fields.split_whitespace().map(str::to_owned).collect();
    if fields.len() < 15 {
        bail!("a stat of {} fields", fields.len());
    }
    Ok(fields)
}

fn ticks(fields: &[String]) -> Duration {
    // SAFETY: sysconf has no preconditions.
    let a_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    let a_second = u32::try_from(a_second).unwrap_or(100);
    let ticks: u32 = fields.iter().filter_map(|field| field.parse::<u32>().ok()).sum();
    Duration::from_secs(1) * ticks / a_second
}

/// Resident memory in MiB: at present and at its peak.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub present: f64,
    pub peak: f64,
}

pub fn memory(pid: u32) -> anyhow::Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0)
            .with_context(|| format!("no {name} in status"))
    };
    Ok(Memory {
        present: mib("VmRSS:")?,
        peak: mib("VmHWM:")?,
    })
}

/// Keeps this process, and all that it starts from now on, to the first two of the processors that it may use:
/// the table is about two cores, on whatever machine.
pub fn keep_to_two_cores() -> anyhow::Result<()> {
    // SAFETY: the set is a plain bit mask for which zero is valid; both calls get its true size, and CPU_ISSET
    // and CPU_SET stay below CPU_SETSIZE, which is its number of bits.
    let result = unsafe {
        let size = size_of::<libc::cpu_set_t>();
        let mut allowed: libc::cpu_set_t = std::mem::zeroed();
        let mut chosen: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size, &raw mut allowed);
        let number = usize::try_from(libc::CPU_SETSIZE).unwrap_or_default();
        for core in (0..number)
            .filter(|core| libc::CPU_ISSET(*core, &allowed))
            .take(2)
        {
            libc::CPU_SET(core, &mut chosen);
        }
        libc::sched_setaffinity(0, size, &raw const chosen)
    };
    if result == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error()).context("two cores could not be chosen")
    }
}
