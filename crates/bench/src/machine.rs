//! Where a measurement was taken.

use std::fs;

use serde::Serialize;

use crate::tools::Tools;

/// A machine at a time, with its tools.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The day (UTC).
    pub date: String,
    /// The processor, as it calls itself.
    pub cpu: String,
    /// How many processors may be used.
    pub processors: usize,
    /// The kernel's release.
    pub kernel: String,
    /// How many processes wanted a processor at the start, as 1, 5 and 15 minute means.
    pub load: Option<String>,
    /// The tools' versions.
    pub tools: Vec<String>,
}

impl Machine {
    /// Describes this one.
    pub fn here(tools: &Tools) -> Machine {
        let unknown = || "unknown".to_owned();
        let read = |path: &str| fs::read_to_string(path).ok();
        let load =
            read("/proc/loadavg").map(|text| text.split_whitespace().take(3).collect::<Vec<_>>().join(" "));
        Machine {
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
            cpu: read("/proc/cpuinfo").and_then(|text| model(&text)).unwrap_or_else(unknown),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease")
                .map_or_else(unknown, |release| release.trim().to_owned()),
            load,
            tools: tools.versions(),
        }
    }
}

/// Reads the processor's name from `/proc/cpuinfo` (proc_cpuinfo(5)); not every architecture tells it.
fn model(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named() {
        let text = "processor\t: 0\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nmodel name\t: other\n";
        assert_eq!(model(text).as_deref(), Some("AMD EPYC"));
        assert_eq!(model("processor : 0\n"), None);
    }
}
