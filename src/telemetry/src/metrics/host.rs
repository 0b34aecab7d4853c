//! The process as its system and its runtime see it: the set that all exporters have, read when somebody asks.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Error, Gauge, IntGauge};
use tokio::runtime::Handle;

use super::Metrics;
use super::register::Register;

/// Ticks of a second in /proc, on every Linux that this runs on.
const TICKS: f64 = 100.0;
/// Bytes of a page are asked of nobody: `VmRSS` and `VmSize` come in KiB.
const KIB: i64 = 1024;

#[derive(Debug)]
pub(super) struct Host {
    cpu: Gauge,
    resident: IntGauge,
    virtual_size: IntGauge,
    open_fds: IntGauge,
    max_fds: IntGauge,
    threads: IntGauge,
    busy: Gauge,
    workers: Mutex<Vec<Handle>>,
}

impl Host {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        register.info(
            "open_responses_build_info",
            "1; the labels say what runs.",
            &[("version", env!("CARGO_PKG_VERSION"))],
        )?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let help = "Unix time at which the process began to serve.";
        register.float("process_start_time_seconds", help)?.set(since.as_secs_f64());
        Ok(Self {
            cpu: register.float("process_cpu_seconds_total", "Time on a core, user and system.")?,
            resident: register.gauge("process_resident_memory_bytes", "Memory that is in use.")?,
            virtual_size: register.gauge("process_virtual_memory_bytes", "Address space.")?,
            open_fds: register.gauge("process_open_fds", "Open files and sockets.")?,
            max_fds: register.gauge("process_max_fds", "How many there may be.")?,
            threads: register.gauge("process_threads", "Threads.")?,
            busy: register
                .float("tokio_workers_busy_seconds_total", "Time that the workers were not parked.")?,
            workers: Mutex::default(),
        })
    }

    /// Looks at the process. What the system does not tell stays 0.
    pub(super) fn look(&self) {
        if let Some((user, system)) = fs::read_to_string("/proc/self/stat").ok().and_then(|text| times(&text))
        {
            self.cpu.set((user + system) as f64 / TICKS);
        }
        if let Ok(status) = fs::read_to_string("/proc/self/status") {
            self.resident.set(number(&status, "VmRSS:").unwrap_or_default() * KIB);
            self.virtual_size.set(number(&status, "VmSize:").unwrap_or_default() * KIB);
            self.threads.set(number(&status, "Threads:").unwrap_or_default());
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // One of them is this look.
            self.open_fds.set(i64::try_from(files.count().saturating_sub(1)).unwrap_or(i64::MAX));
        }
        if let Ok(limits) = fs::read_to_string("/proc/self/limits") {
            self.max_fds.set(number(&limits, "Max open files").unwrap_or_default());
        }
        self.look_at_workers();
    }

    /// The tasks of the workers stand in local sets, which their runtimes do not count.
    fn look_at_workers(&self) {
        let mut busy = 0.0;
        for worker in &*self.workers.lock().unwrap_or_else(PoisonError::into_inner) {
            let metrics = worker.metrics();
            let all = 0..metrics.num_workers();
            busy += all.map(|n| metrics.worker_total_busy_duration(n).as_secs_f64()).sum::<f64>();
        }
        self.busy.set(busy);
    }
}

/// User and system time of a line of /proc/self/stat, in ticks. The name of the program may hold anything.
fn times(stat: &str) -> Option<(u64, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The first number behind a name at the beginning of a line.
fn number(text: &str, name: &str) -> Option<i64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

impl Metrics {
    /// The thread that calls this is a worker of the server: its runtime is looked at from now on.
    pub fn worker(&self) {
        if let Ok(handle) = Handle::try_current() {
            self.0.host.workers.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells_is_read() {
        let line = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 3 0 1 2 3";
        assert_eq!(times(line), Some((150, 50)));
        assert_eq!(times("7 (a"), None);
        assert_eq!(number("Name:\tx\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(number("Max open files            1024   4096  files\n", "Max open files"), Some(1024));
        assert_eq!(number("Max open files            unlimited unlimited files\n", "Max open files"), None);
    }
}
