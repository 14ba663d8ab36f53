//! What grows.

use crate::cases::NAMED;
use crate::inputs::{self, Input};

/// Something of which there is more and more.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Its name, for the command line.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// One of them.
    pub per: &'static str,
    /// Options of `epitaph show`.
    pub options: &'static [&'static str],
    /// What must be in the output.
    pub says: &'static [&'static str],
    /// How many there are in each input, the fewest first.
    pub inputs: Vec<(u64, Input)>,
}

/// Returns what grows.
pub fn axes() -> Vec<Axis> {
    vec![
        Axis {
            title: "Frames of a recursion",
            unit: "frames",
            per: "frame",
            inputs: each(&[1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18], |frames| {
                inputs::deep(&format!("frames-{frames}"), frames)
            }),
            ..axis("frames")
        },
        Axis {
            title: "Frames of a recursion, all of them printed",
            unit: "frames",
            per: "frame",
            options: &["--frames", "0"],
            inputs: each(&[1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18], |frames| {
                inputs::deep(&format!("frames-{frames}"), frames)
            }),
            ..axis("frames-printed")
        },
        Axis {
            title: "Threads",
            unit: "threads",
            per: "thread",
            inputs: each(&[10, 100, 1_000, 10_000], |threads| {
                inputs::busy(&format!("threads-{threads}"), 0, threads, 256)
            }),
            ..axis("threads")
        },
        Axis {
            title: "Libraries that the stack leads through",
            unit: "libraries",
            per: "library",
            inputs: each(&[10, 100, 1_000], |count| inputs::modules(&format!("modules-{count}"), count)),
            ..axis("modules")
        },
        Axis {
            title: "Debug information",
            unit: "MB",
            per: "MB",
            inputs: each(&[8, 80, 800], |mib| inputs::debug_info(&format!("debug-{mib}m"), mib)),
            ..axis("debug-info")
        },
        Axis {
            title: "Size of a sparse core",
            unit: "MiB",
            per: "MiB",
            inputs: each(&[1, 16, 256, 4_096, 16_384], |mib| inputs::sparse(&format!("sparse-{mib}m"), mib)),
            ..axis("core-size")
        },
    ]
}

fn axis(name: &'static str) -> Axis {
    let (title, unit, per) = ("", "", "");
    Axis { name, title, unit, per, options: &[], says: NAMED, inputs: Vec::new() }
}

fn each(units: &[u64], input: impl Fn(u64) -> Input) -> Vec<(u64, Input)> {
    units.iter().map(|units| (*units, input(*units))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_axis_is_described_and_grows() {
        for axis in axes() {
            assert!(!axis.title.is_empty() && !axis.unit.is_empty() && !axis.per.is_empty(), "{}", axis.name);
            assert!(axis.inputs.is_sorted_by_key(|(units, _)| *units), "{}", axis.name);
            assert!(axis.inputs.len() >= 3, "{}", axis.name);
        }
    }
}
