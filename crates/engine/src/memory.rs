//! How much memory the process takes.

use serde::Serialize;

/// Memory of the process in MiB; 0 where the system does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Memory {
    /// Resident now.
    pub rss_mb: f32,
    /// Resident at most since the start.
    pub peak_rss_mb: f32,
}

impl Memory {
    /// Reads `VmRSS` and `VmHWM` of this process.
    pub fn now() -> Self {
        std::fs::read_to_string("/proc/self/status").map_or_else(|_| Self::default(), |status| Self::parse(&status))
    }

    fn parse(status: &str) -> Self {
        let mb = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            let kb: f32 = line.trim_start_matches(':').split_whitespace().next()?.parse().ok()?;
            Some(kb / 1024.0)
        };
        Self { rss_mb: mb("VmRSS").unwrap_or(0.0), peak_rss_mb: mb("VmHWM").unwrap_or(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_mebibytes() {
        let memory = Memory::parse("VmPeak:\t 9 kB\nVmHWM:\t  614400 kB\nVmRSS:\t  307200 kB\n");
        assert_eq!(memory, Memory { rss_mb: 300.0, peak_rss_mb: 600.0 });
        assert!(Memory::now().rss_mb > 1.0);
    }
}
