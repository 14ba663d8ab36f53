//! The registers of the frame that failed, and what they point to.

use maud::{Markup, html};

use epitaph_summary::{CrashSummary, Hex, Thread};

use super::text::{plain, shown_to};
use crate::frames::basename;
use crate::memory_map;

/// The most registers.
const MOST: usize = 80;

/// The most characters of what one points to.
const TARGET: usize = 60;

/// Values below are numbers, not addresses: nothing is mapped there.
const LEAST_ADDRESS: u64 = 4096;

/// Registers that come first: where it executed, and where its stack was.
const FIRST: [&str; 6] = ["rip", "eip", "pc", "rsp", "esp", "sp"];

/// Renders the registers of the crashing thread; nothing where none are known.
pub(super) fn table(summary: &CrashSummary, thread: &Thread) -> Option<Markup> {
    if thread.registers.is_empty() {
        return None;
    }
    let instruction = summary.cause.as_ref().and_then(|cause| cause.instruction.as_ref());
    let reads = |name: &String| instruction.is_some_and(|it| it.registers.contains(name));
    let mut registers: Vec<(&String, Hex)> =
        thread.registers.iter().map(|(name, value)| (name, *value)).collect();
    registers.sort_by_cached_key(|(name, _)| order(name));
    Some(html! {
        dl {
            @for (name, value) in registers.into_iter().take(MOST) {
                div class=[reads(name).then_some("read")] {
                    dt { (plain(name)) }
                    dd {
                        code { (value) }
                        @if let Some(target) = target(summary, value.0) { " " span.faint { (shown_to(&target, TARGET)) } }
                    }
                }
            }
        }
    })
}

/// Sorts as people count: names, then numbers, `r8` before `r10`.
fn order(name: &str) -> (usize, bool, String, u64) {
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (letters, number) = name.split_at(name.len() - digits);
    let first = FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    (first, digits > 0, letters.to_owned(), number.parse().unwrap_or(0))
}

/// Says what lies at an address: `libc.so.6+0x1d0`, `stack`; or the number that a small value is.
fn target(summary: &CrashSummary, value: u64) -> Option<String> {
    if value < LEAST_ADDRESS {
        return (value > 9).then(|| format!("= {value}"));
    }
    let module = summary.modules.iter().find(|module| {
        module.start.zip(module.end).is_some_and(|(start, end)| (start.0..end.0).contains(&value))
    });
    let of_module = || {
        let module = module?;
        let name = module.name.as_deref().or_else(|| module.path.as_deref().map(basename))?;
        Some(format!("{name}+{}", Hex(value - module.start?.0)))
    };
    of_module().or_else(|| memory_map::holding(&summary.regions, value))
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Module, Region, RegionKind};

    use super::*;

    #[test]
    fn registers_come_as_people_count() {
        let mut names = vec!["r10", "rax", "r8", "rsp", "r9", "rip", "x2", "x11"];
        names.sort_by_cached_key(|name| order(name));
        assert_eq!(names, ["rip", "rsp", "rax", "r8", "r9", "r10", "x2", "x11"]);
    }

    #[test]
    fn a_value_says_what_it_points_to() {
        let mut summary = CrashSummary::new("0");
        summary.modules = vec![Module {
            name: Some("libx.so".into()),
            start: Some(Hex(0x10_0000)),
            end: Some(Hex(0x20_0000)),
            ..Module::default()
        }];
        summary.regions = vec![Region {
            start: Some(Hex(0x30_0000)),
            end: Some(Hex(0x40_0000)),
            kind: Some(RegionKind::Stack),
            ..Region::default()
        }];
        let of = |value| target(&summary, value);
        assert_eq!(of(0), None);
        assert_eq!(of(42).as_deref(), Some("= 42"));
        assert_eq!(of(0x10_0010).as_deref(), Some("libx.so+0x10"));
        assert_eq!(of(0x30_0010).as_deref(), Some("stack"));
        assert_eq!(of(0x50_0000), None);
    }
}
