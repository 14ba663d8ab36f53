//! What the kernel put on the stack of a program before its start: arguments and environment.
//!
//! From low to high addresses (linux/fs/binfmt_elf.c, `create_elf_tables`; linux/fs/exec.c, `do_execveat_common`; the
//! same for all architectures, and qemu-user does likewise): `argc`, the pointers of `argv` and a null, those of `envp`
//! and a null, the auxiliary vector, 16 random bytes, the names of the platform, a gap; then the strings themselves:
//! arguments, environment, and the path that was executed.

use std::ops::Range;

use epitaph_elf::{Memory, Process};

use super::around::{read_before, read_from};
use super::named::{secret_arguments, secret_variable};

/// Most bytes that arguments and environment take (linux/fs/exec.c, `bprm_stack_limits`: three quarters of 8 MiB), with
/// their pointers and what lies between.
const MOST: u64 = 8 << 20;
/// Read at once while the auxiliary vector is looked for.
const CHUNK: usize = 64 << 10;
/// `AT_EXECFN` (linux/auxvec.h): the address of the path that was executed.
const AT_EXECFN: u64 = 31;
/// Random bytes that `AT_RANDOM` points to.
const RANDOM_BYTES: u64 = 16;

/// The strings that a program was started with.
#[derive(Debug, Default)]
pub(crate) struct Start {
    /// Address of the first of `bytes`.
    address: u64,
    bytes: Vec<u8>,
    arguments: Vec<Range<usize>>,
    environment: Range<usize>,
}

impl Start {
    /// Finds them. A program may have overwritten what leads there: then all that may be the environment counts as the
    /// environment, and where not even that is known, there is nothing.
    pub(crate) fn find(process: &Process, memory: &dyn Memory) -> Start {
        let Some(end) = process.auxv.executable_name() else { return Start::default() };
        let Some(floor) =
            memory.regions().iter().find(|region| region.contains(end)).map(|region| region.address)
        else {
            return Start::default();
        };
        let stack = Stack { process, memory, floor: floor.max(end.saturating_sub(MOST)), end };
        match stack.auxiliary_vector() {
            Some(vector) => match stack.pointers_below(&vector) {
                Some(pointers) => Start::of_pointers(memory, &pointers, end),
                None => Start::of_environment(memory, vector.end..end),
            },
            None => {
                let random = process.auxv.random().map(|address| address.saturating_add(RANDOM_BYTES));
                let start = random.filter(|start| (stack.floor..end).contains(start));
                start.map_or_else(Start::default, |start| Start::of_environment(memory, start..end))
            }
        }
    }

    /// The arguments, the program's own name first.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        self.arguments.iter().filter_map(|range| self.bytes.get(range.clone()))
    }

    /// The value that a variable had at the start.
    pub(crate) fn variable(&self, name: &[u8]) -> Option<&[u8]> {
        self.variables().find_map(|variable| variable.strip_prefix(name)?.strip_prefix(b"="))
    }

    /// The values of the variables that are named like secrets.
    pub(crate) fn secret_variables(&self) -> impl Iterator<Item = &[u8]> {
        self.variables().filter_map(secret_variable)
    }

    /// All variables, as `NAME=value`.
    pub(super) fn variables(&self) -> impl Iterator<Item = &[u8]> {
        let environment = self.bytes.get(self.environment.clone()).unwrap_or_default();
        environment.split(|byte| *byte == 0)
    }

    /// The values that arguments name as secret, and where they are, by address.
    pub(crate) fn secret_arguments(&self) -> Vec<(&[u8], Range<u64>)> {
        let secrets = secret_arguments(self.arguments()).into_iter().filter_map(|(index, offset)| {
            let range = self.arguments.get(index)?;
            let range = range.start + offset..range.end;
            Some((self.bytes.get(range.clone())?, self.addresses(range)))
        });
        secrets.collect()
    }

    /// Where the environment is.
    pub(super) fn environment_addresses(&self) -> Range<u64> {
        self.addresses(self.environment.clone())
    }

    fn addresses(&self, range: Range<usize>) -> Range<u64> {
        self.address + range.start as u64..self.address + range.end as u64
    }

    /// The strings that `pointers` lead to: first the arguments, then, up to `end`, the environment.
    fn of_pointers(memory: &dyn Memory, pointers: &Pointers, end: u64) -> Start {
        let address = pointers.arguments.iter().chain(&pointers.variables).copied().min().unwrap_or(end);
        let bytes = read_from(memory, address, (end - address) as usize);
        let offset = |pointer: u64| (pointer - address) as usize;
        // A program may have changed its pointers: what any of them calls a variable is none of the arguments.
        let limit =
            pointers.variables.iter().copied().map(offset).min().unwrap_or(bytes.len()).min(bytes.len());
        let mut arguments = Vec::new();
        let mut next = 0;
        while arguments.len() < pointers.arguments.len() && next < limit {
            let rest = bytes.get(next..limit).unwrap_or_default();
            let len = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
            arguments.push(next..next + len);
            next += len + 1;
        }
        let environment = next.min(limit)..bytes.len();
        Start { address, bytes, arguments, environment }
    }

    fn of_environment(memory: &dyn Memory, addresses: Range<u64>) -> Start {
        let len = addresses.end.saturating_sub(addresses.start) as usize;
        let bytes = read_from(memory, addresses.start, len);
        Start { address: addresses.start, arguments: Vec::new(), environment: 0..bytes.len(), bytes }
    }
}

/// Where strings are, as the arrays on the stack say.
struct Pointers {
    arguments: Vec<u64>,
    variables: Vec<u64>,
}

/// The upper end of the first thread's stack.
struct Stack<'a> {
    process: &'a Process,
    memory: &'a dyn Memory,
    /// Nothing is looked for below this.
    floor: u64,
    /// The end of the strings: the path that was executed.
    end: u64,
}

impl Stack<'_> {
    fn word(&self) -> u64 {
        u64::from(self.process.arch.bits() / 8)
    }

    /// Finds the auxiliary vector, of which the notes have a copy, by its entry for the path that was executed.
    fn auxiliary_vector(&self) -> Option<Range<u64>> {
        let entries = self.process.auxv.entries();
        let index = entries.iter().position(|entry| *entry == (AT_EXECFN, self.end))? as u64;
        let word = self.word();
        let pair = 2 * word as usize;
        let mut chunk_end = self.end - self.end % word;
        while chunk_end > self.floor {
            let chunk = read_before(self.memory, chunk_end, CHUNK.min((chunk_end - self.floor) as usize));
            let chunk_start = chunk_end - chunk.len() as u64;
            let words = |offset: usize| {
                let value = |offset| self.process.arch.word_in(&chunk, offset);
                Some((value(offset)?, value(offset + word as usize)?))
            };
            let last = chunk.len().checked_sub(pair)?;
            // Addresses of words are multiples of their size, and so is the chunk's end.
            let found = (last % word as usize..=last)
                .rev()
                .step_by(word as usize)
                .find(|offset| words(*offset) == Some((AT_EXECFN, self.end)));
            if let Some(offset) = found {
                let start = (chunk_start + offset as u64).checked_sub(index * 2 * word)?;
                return Some(start..start + (entries.len() as u64 + 1) * 2 * word);
            }
            // An entry may lie across two chunks.
            chunk_end = (chunk_start + word).min(chunk_end - word);
        }
        None
    }

    /// Reads the arrays of pointers below the auxiliary vector; `None` if they are not as the kernel left them.
    fn pointers_below(&self, vector: &Range<u64>) -> Option<Pointers> {
        let mut words = Downwards { stack: self, next: vector.start, chunk: Vec::new() };
        let mut value = words.next()?;
        if value != 0 {
            return None;
        }
        // Variables that were unset leave more nulls: unsetenv(3) moves those behind them down.
        while value == 0 {
            value = words.next()?;
        }
        let strings = vector.end..self.end;
        let (variables, below) = words.pointers_into(&strings, value)?;
        if below != 0 {
            // No variables at all: these are the arguments, and their number.
            let is_count = below == variables.len() as u64;
            return is_count.then(|| Pointers { arguments: variables, variables: Vec::new() });
        }
        let value = words.next()?;
        let (arguments, count) = words.pointers_into(&strings, value)?;
        (count == arguments.len() as u64).then_some(Pointers { arguments, variables })
    }
}

/// Reads words from the top down.
struct Downwards<'a> {
    stack: &'a Stack<'a>,
    /// The end of the words that were not given yet.
    next: u64,
    chunk: Vec<u8>,
}

impl Downwards<'_> {
    /// Takes words, `first` being the first of them, as long as they point into `strings`; and the word that doesn't.
    fn pointers_into(&mut self, strings: &Range<u64>, first: u64) -> Option<(Vec<u64>, u64)> {
        let (mut pointers, mut value) = (Vec::new(), first);
        while strings.contains(&value) {
            pointers.push(value);
            value = self.next()?;
        }
        Some((pointers, value))
    }
}

impl Iterator for Downwards<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let word = self.stack.word();
        if (self.chunk.len() as u64) < word {
            let most = CHUNK.min(self.next.saturating_sub(self.stack.floor) as usize);
            self.chunk = read_before(self.stack.memory, self.next, most);
        }
        let offset = self.chunk.len().checked_sub(word as usize)?;
        let value = self.stack.process.arch.word_in(&self.chunk, offset)?;
        self.chunk.truncate(offset);
        self.next -= word;
        Some(value)
    }
}
