//! What other tools say about a frame on which epitaph and gdb differ.

use std::path::{Path, PathBuf};
use std::process::Command;

use epitaph_testkit::gdb::{Difference, Frame, What, same_function};
use serde_json::Value;

/// A file, and a line of it.
type Place = (String, Option<u32>);

/// One difference, with everything that it takes to look into it.
pub(crate) struct Evidence<'a> {
    summary: &'a Value,
    frames: &'a [Value],
    difference: &'a Difference,
}

impl<'a> Evidence<'a> {
    pub(crate) fn new(summary: &'a Value, tid: u64, difference: &'a Difference) -> Evidence<'a> {
        let thread = summary["threads"].as_array().and_then(|all| all.iter().find(|one| one["tid"] == tid));
        let frames = thread.and_then(|thread| thread["frames"].as_array()).map(Vec::as_slice);
        Evidence { summary, frames: frames.unwrap_or_default(), difference }
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
    pub(crate) fn gdbs_name(&self) -> &str {
        self.difference.gdb.as_ref().and_then(|frame| frame.function.as_deref()).unwrap_or_default()
    }

    /// Tells whether `addr2line`, or the line table as `objdump` prints it, has our file and line for this frame.
    pub(crate) fn line_table_agrees_with_us(&self) -> bool {
        let Some(Frame { file: Some(file), line: Some(line), .. }) = &self.difference.ours else {
            return false;
        };
        let ours = (file_name(file), Some(*line));
        self.addr2line().or_else(|| self.row()).is_some_and(|(file, line)| (file_name(&file), line) == ours)
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

    /// Tells whether `addr2line` knows as many calls that were inlined here as we do, and gdb none.
    pub(crate) fn addr2line_knows_the_inlined_calls(&self) -> bool {
        let gdb = self.difference.gdb.as_ref();
        let end = self.frames[self.difference.index..]
            .iter()
            .position(|frame| frame["inlined"] != Value::Bool(true));
        let (Some(end), Some((first, addr2line))) = (end, self.inlined_chain()) else { return false };
        gdb.is_some_and(|frame| !frame.inlined) && addr2line.len() == self.difference.index + end + 1 - first
    }

    /// Tells whether gdb's frame is where a call returns to: in code, after a call.
    pub(crate) fn gdbs_pc_is_a_return_address(&self) -> bool {
        let Some(frame) = &self.difference.gdb else { return false };
        let modules = self.summary["modules"].as_array().map(Vec::as_slice).unwrap_or_default();
        let within = |module: &&Value| {
            number(&module["start"])
                .zip(number(&module["end"]))
                .is_some_and(|(start, end)| (start..end).contains(&frame.pc))
        };
        let Some(module) = modules.iter().find(within) else { return false };
        let (Some(path), Some(bias)) = (module["path"].as_str(), number(&module["load_bias"])) else {
            return false;
        };
        let code = run(Command::new("objdump").args(["-d", "--no-show-raw-insn"]).arg(path));
        let at = format!("{:x}:", frame.pc - bias);
        let mut before = "";
        for line in code.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if line.split_whitespace().next() == Some(&at) {
                return before.contains("call");
            }
            before = line;
        }
        false
    }

    /// File and line of this frame, as `addr2line` gives them.
    fn addr2line(&self) -> Option<Place> {
        let (first, chain) = self.inlined_chain()?;
        chain.into_iter().nth(self.difference.index - first)
    }

    /// The calls that were inlined where this frame is, as `addr2line` gives them, innermost first, and the index of
    /// the frame that is the innermost of them.
    fn inlined_chain(&self) -> Option<(usize, Vec<Place>)> {
        let (first, address) = self.address()?;
        let output = run(Command::new("addr2line").arg("-ie").arg(self.file()?).arg(format!("{address:#x}")));
        let place = |line: &str| {
            let line = line.split(" (discriminator").next()?;
            let (file, line) = line.rsplit_once(':')?;
            (file != "??").then(|| (file.to_owned(), line.parse().ok().filter(|line| *line > 0)))
        };
        let chain: Vec<_> = output.lines().map_while(place).collect();
        (!chain.is_empty()).then_some((first, chain))
    }

    /// File and line of the last row for this frame's address, if no call was inlined there.
    fn row(&self) -> Option<Place> {
        let (first, address) = self.address()?;
        let output = run(Command::new("objdump").arg("--dwarf=decodedline").arg(self.file()?));
        // File, line, address, and more that doesn't matter.
        let rows = output.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let at = u64::from_str_radix(fields.get(2)?.strip_prefix("0x")?, 16).ok()?;
            (at <= address).then(|| (at, fields[0].to_owned(), fields[1].parse().ok()))
        });
        let (_, file, line) = rows.max_by_key(|(at, _, _)| *at)?; // of equal ones the last
        (first == self.difference.index).then_some((file, line))
    }

    /// Where this frame's code is in its file, and the index of the innermost frame that is inlined there.
    fn address(&self) -> Option<(usize, u64)> {
        let frame = self.frames.get(self.difference.index)?;
        let inner = self.frames[..self.difference.index].iter().rev();
        let inlined =
            inner.take_while(|inner| inner["pc"] == frame["pc"] && inner["inlined"] == Value::Bool(true));
        let first = self.difference.index - inlined.count();
        let after_call = first > 0 && !is_trampoline(&self.frames[first - 1]);
        let behind = after_call || (first == 0 && self.stopped_at_breakpoint());
        Some((first, number(&frame["offset"])? - u64::from(behind)))
    }

    /// Tells whether the kernel says that a breakpoint in the code ended the program.
    fn stopped_at_breakpoint(&self) -> bool {
        const SIGTRAP: u64 = 5;
        const SI_KERNEL: i64 = 0x80;
        let signal = &self.summary["signal"];
        signal["number"] == SIGTRAP && signal["code"] == SI_KERNEL
    }

    /// Tells whether the program counter of this frame is behind the breakpoint that ended the program.
    pub(crate) fn is_behind_breakpoint(&self) -> bool {
        self.stopped_at_breakpoint() && self.address().is_some_and(|(first, _)| first == 0)
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

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
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

fn number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.trim_start_matches("0x"), 16).ok()
}

/// Runs a program for what it prints.
fn run(command: &mut Command) -> String {
    let output = command.env("LC_ALL", "C").output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
