//! What other tools say about a frame on which epitaph and gdb differ.

use std::path::{Path, PathBuf};
use std::process::Command;

use epitaph_testkit::crash::Crash;
use epitaph_testkit::gdb::{Difference, Frame, What, same_function};
use serde_json::Value;

/// One difference, with everything that it takes to look into it.
pub(crate) struct Evidence<'a> {
    crash: &'a Crash,
    summary: &'a Value,
    frames: &'a [Value],
    difference: &'a Difference,
}

impl<'a> Evidence<'a> {
    pub(crate) fn new(
        crash: &'a Crash,
        summary: &'a Value,
        tid: u64,
        difference: &'a Difference,
    ) -> Evidence<'a> {
        let thread = summary["threads"].as_array().and_then(|all| all.iter().find(|one| one["tid"] == tid));
        let frames = thread.and_then(|thread| thread["frames"].as_array()).map(Vec::as_slice);
        Evidence { crash, summary, frames: frames.unwrap_or_default(), difference }
    }

    /// What differs.
    pub(crate) fn what(&self) -> What {
        self.difference.what
    }

    /// Our name of the function.
    pub(crate) fn our_name(&self) -> &str {
        self.difference.ours.as_ref().and_then(|frame| frame.function.as_deref()).unwrap_or_default()
    }

    /// gdb's name of the function.
    fn gdbs_name(&self) -> &str {
        self.difference.gdb.as_ref().and_then(|frame| frame.function.as_deref()).unwrap_or_default()
    }

    /// Tells whether `addr2line` finds our file and line for this frame.
    pub(crate) fn addr2line_agrees_with_us(&self) -> bool {
        let Some(Frame { file: Some(file), line: Some(line), .. }) = &self.difference.ours else {
            return false;
        };
        let Some((their_file, their_line)) = self.addr2line() else { return false };
        let name = |path: &str| path.rsplit('/').next().map(str::to_owned);
        name(file) == name(&their_file) && Some(*line) == their_line
    }

    /// Tells whether we give no line, and `addr2line` has none either.
    pub(crate) fn row_has_no_line(&self) -> bool {
        let ours = self.difference.ours.as_ref();
        ours.is_some_and(|frame| frame.line.is_none())
            && self.addr2line().is_some_and(|(_, line)| line.is_none())
    }

    /// Tells whether the symbol table has our name and gdb's at one address.
    pub(crate) fn is_alias(&self) -> bool {
        let symbols = self.symbols();
        let at = |name: &str| -> Vec<u64> {
            symbols
                .iter()
                .filter(|symbol| same_function(&symbol.name, name))
                .map(|symbol| symbol.address)
                .collect()
        };
        let (ours, theirs) = (at(self.our_name()), at(self.gdbs_name()));
        ours.iter().any(|address| theirs.contains(address))
    }

    /// Tells whether what gdb names is a variable.
    pub(crate) fn is_variable(&self) -> bool {
        let named = |symbol: &Symbol| symbol.name == self.gdbs_name() && "bBdDrR".contains(symbol.kind);
        self.our_name().is_empty() && self.symbols().iter().any(named)
    }

    /// Tells whether gdb's frame is in memory that could be executed.
    pub(crate) fn gdbs_pc_is_executable(&self) -> bool {
        let Some(frame) = &self.difference.gdb else { return false };
        let output = run(Command::new("readelf").args(["-lW"]).arg(&self.crash.core));
        output.lines().any(|line| {
            // LOAD, offset, address, physical address, size in the file, size in memory, flags, alignment
            let fields: Vec<&str> = line.split_whitespace().collect();
            let flags = fields.get(6..fields.len().max(7) - 1).unwrap_or_default().concat();
            match (fields.first(), hex(&fields, 2), hex(&fields, 5)) {
                (Some(&"LOAD"), Some(start), Some(size)) => {
                    flags.contains('E') && (start..start + size).contains(&frame.pc)
                }
                _ => false,
            }
        })
    }

    /// File and line of this frame, as `addr2line` gives them.
    fn addr2line(&self) -> Option<(String, Option<u32>)> {
        let index = self.difference.index;
        let pc = &self.frames.get(index)?["pc"];
        let same = |frame: &&Value| frame["pc"] == *pc && frame["inlined"] == Value::Bool(true);
        let first = index - self.frames[..index].iter().rev().take_while(same).count();
        let after_call = first > 0
            && self.frames[first - 1]["trust"] != "signal"
            && !is_trampoline(&self.frames[first - 1]);
        let address = number(&self.frames[index]["offset"])? - u64::from(after_call);
        let output =
            run(Command::new("addr2line").arg("-i").arg("-e").arg(self.file()?).arg(format!("{address:#x}")));
        let line = output.lines().nth(index - first)?;
        let line = line.split(" (discriminator").next().unwrap_or_default();
        let (file, line) = line.rsplit_once(':')?;
        Some((file.to_owned(), line.parse().ok().filter(|line| *line > 0)))
    }

    /// Every symbol of this frame's file.
    fn symbols(&self) -> Vec<Symbol> {
        self.file().map(|file| symbols(&file)).unwrap_or_default()
    }

    /// The file that this frame's code is from.
    fn file(&self) -> Option<PathBuf> {
        let module = self.frames.get(self.difference.index)?["module"].as_u64()?;
        let module = &self.summary["modules"][module as usize];
        let path = Path::new(module["path"].as_str()?);
        Some(path.to_owned())
    }
}

/// Tells whether a file, or the debug file beside it, has a symbol of which `name` is a part.
pub(crate) fn has_symbol(file: &Path, name: &str) -> bool {
    symbols(file).iter().any(|symbol| symbol.name.contains(name))
}

/// Every symbol of a file, and of the debug file beside it.
fn symbols(file: &Path) -> Vec<Symbol> {
    let listed = |file: &Path, dynamic: &[&str]| run(Command::new("nm").arg("-C").args(dynamic).arg(file));
    let beside = file.with_extension("debug");
    let all = [listed(file, &[]), listed(file, &["-D"]), listed(&beside, &[])].concat();
    all.lines().filter_map(Symbol::of).collect()
}

fn is_trampoline(frame: &Value) -> bool {
    frame["function"].as_str().is_some_and(|name| name.contains("signal handler called"))
}

/// One line of `nm`.
struct Symbol {
    address: u64,
    kind: char,
    name: String,
}

impl Symbol {
    fn of(line: &str) -> Option<Symbol> {
        let (address, rest) = line.split_once(' ')?;
        let (kind, name) = rest.split_once(' ')?;
        let address = u64::from_str_radix(address, 16).ok()?;
        let name = name.split('@').next()?.to_owned(); // without its version
        Some(Symbol { address, kind: kind.chars().next()?, name })
    }
}

fn hex(fields: &[&str], at: usize) -> Option<u64> {
    u64::from_str_radix(fields.get(at)?.trim_start_matches("0x"), 16).ok()
}

fn number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.trim_start_matches("0x"), 16).ok()
}

/// Runs a program for what it prints.
fn run(command: &mut Command) -> String {
    let output = command.env("LC_ALL", "C").output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
