//! How much memory the process may use.

use std::fs;

/// Bytes of memory of the machine, or of the container's limit if that is less; `None` where neither can be told.
///
/// Sources: `MemTotal` of proc(5) meminfo, `memory.max` of the kernel's cgroup v2.
pub fn usable_memory() -> Option<usize> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| total(&text));
    let group = read("/proc/self/cgroup").and_then(|text| {
        let path = text.lines().find_map(|line| line.strip_prefix("0::"))?.to_owned();
        read(&format!("/sys/fs/cgroup{path}/memory.max"))?.trim().parse().ok()
    });
    // Inside a container its own group is the root.
    let root = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok());
    [machine, group, root].into_iter().flatten().min()
}

fn total(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_in_kilobytes() {
        assert_eq!(total("MemFree: 1 kB\n"), None);
        assert_eq!(total("MemTotal:       16 kB\nMemFree: 1 kB\n"), Some(16 * 1024));
    }
}
