//! The goroutines that no thread runs: where each goes on, and what it waits for.
//!
//! The runtime's list of them is found by what it is, without symbols ([`GoroutineList`]). So are the names of the
//! reasons for waiting (`runtime.waitReasonStrings`).

use epitaph_elf::{Arch, GoTable, GoroutineList, LoadedModules, Memory, Registers, read_vec};

use super::layout::{G_PC, G_SP, G_STATUS, STATUS_TO_ID, STATUS_TO_REASON, WORD};

/// Bytes of a program's data that are read at once.
const CHUNK: u64 = 1 << 16;
/// Most bytes of a program's data that are searched for the list.
const MOST_DATA: u64 = 64 << 20;
/// The first reason for waiting that has a name: the same in all versions.
const FIRST_REASON: &[u8] = b"GC assist marking";
/// Bytes of a string's header: address and length.
const STRING: u64 = 2 * WORD;
/// Longest name of a reason.
const LONGEST_REASON: u64 = 64;
/// Added to a state while the garbage collector looks at the stack (`_Gscan`).
const SCANNED: u64 = 0x1000;

/// The goroutines of a process that no thread runs.
#[derive(Clone, Debug, Default)]
pub struct Goroutines {
    /// In the order of the runtime's list; not more than were asked for.
    pub described: Vec<Goroutine>,
    /// How many there are.
    pub total: u64,
}

/// A goroutine that no thread runs.
#[derive(Clone, Debug)]
pub struct Goroutine {
    /// Its number, as Go prints it.
    pub id: u64,
    /// What it waits for, or else its state, as Go prints them: `chan receive`, `runnable`.
    pub state: String,
    /// Program counter and stack pointer that it goes on with.
    pub registers: Registers,
}

/// What the search in a program's data comes to.
#[derive(Default)]
struct Found {
    list: Option<GoroutineList>,
    /// Address of the reasons' names.
    reasons: Option<u64>,
}

/// Finds the goroutines of a process that no thread runs; `None` if its main program isn't Go, or nothing in its data is their list.
/// `most` are described.
pub fn goroutines(
    arch: &'static Arch,
    modules: &LoadedModules<'_>,
    memory: &dyn Memory,
    most: usize,
) -> Option<Goroutines> {
    arch.goroutine?;
    let main = modules.modules().iter().position(|loaded| loaded.module.main)?;
    let (object, bias) = (modules.object(main)?, modules.bias(main)?);
    GoTable::find(object)?;
    let reader = Reader { arch, memory };
    let mut found = Found::default();
    let mut left = MOST_DATA;
    for segment in object.segments().iter().filter(|segment| segment.write) {
        let len = segment.memory_size.min(left);
        reader.search(segment.address.wrapping_add(bias), len, &mut found);
        left -= len;
    }
    let list = found.list?;
    let status = reader.status_field(list.record(arch, memory, 0)?)?;
    let mut goroutines = Goroutines::default();
    for index in 0..list.len {
        let Some(record) = list.record(arch, memory, index) else { break };
        let Some(state) = reader.number(record.wrapping_add(status), 4) else { continue };
        let state = state & !SCANNED;
        if matches!(state, IDLE | RUNNING | SYSCALL | DEAD) || state > PREEMPTED {
            continue;
        }
        goroutines.total += 1;
        if goroutines.described.len() < most {
            goroutines.described.extend(reader.goroutine(record, status, state, found.reasons));
        }
    }
    Some(goroutines)
}

// States: `runtime/runtime2.go`, `_Gidle` and what follows it.
const IDLE: u64 = 0;
const RUNNABLE: u64 = 1;
const RUNNING: u64 = 2;
const SYSCALL: u64 = 3;
const WAITING: u64 = 4;
const DEAD: u64 = 6;
const COPYING_STACK: u64 = 8;
const PREEMPTED: u64 = 9;

struct Reader<'r> {
    arch: &'static Arch,
    memory: &'r dyn Memory,
}

impl Reader<'_> {
    /// Searches a range of the program's data.
    fn search(&self, start: u64, len: u64, found: &mut Found) {
        // A chunk has the two words of the next one's start, so that nothing is cut in two.
        for offset in (0..len).step_by(CHUNK as usize) {
            let Some(address) = start.checked_add(offset) else { return };
            let size = (CHUNK + 2 * WORD).min(len - offset);
            let Ok(bytes) = read_vec(self.memory, address, size as usize) else { continue };
            let places = (0..bytes.len()).step_by(WORD as usize);
            let words: Vec<u64> = places.map_while(|offset| self.arch.word_in(&bytes, offset)).collect();
            for (place, words) in (address..).step_by(WORD as usize).zip(words.windows(3)) {
                let [first, second, third] = *words else { continue };
                let list = GoroutineList::of(self.arch, self.memory, [first, second, third]);
                if list.is_some_and(|list| found.list.is_none_or(|found| found.len < list.len)) {
                    found.list = list;
                }
                if second == FIRST_REASON.len() as u64 && self.is_text(first, FIRST_REASON) {
                    found.reasons = place.checked_sub(STRING);
                }
            }
        }
    }

    /// Finds the state's field, by that of the first goroutine: its number is 1.
    fn status_field(&self, first: u64) -> Option<u64> {
        G_STATUS.into_iter().find(|field| self.word(first.wrapping_add(field + STATUS_TO_ID)) == Some(1))
    }

    fn goroutine(&self, record: u64, status: u64, state: u64, reasons: Option<u64>) -> Option<Goroutine> {
        let field = |offset: u64| self.word(record.checked_add(offset)?);
        let mut registers = Registers::default();
        registers.set(self.arch.sp, Some(field(G_SP)?));
        registers.set(self.arch.pc, Some(field(G_PC)?));
        registers.set(self.arch.goroutine?, Some(record));
        let reason = || {
            let index = self.number(record.checked_add(status + STATUS_TO_REASON)?, 1)?;
            self.reason(reasons?.checked_add(index * STRING)?)
        };
        let state = match state {
            RUNNABLE => "runnable".to_owned(),
            WAITING => reason().unwrap_or_else(|| "waiting".to_owned()),
            COPYING_STACK => "copystack".to_owned(),
            PREEMPTED => "preempted".to_owned(),
            other => format!("state {other}"),
        };
        Some(Goroutine { id: field(status + STATUS_TO_ID)?, state, registers })
    }

    fn reason(&self, header: u64) -> Option<String> {
        let (address, len) = (self.word(header)?, self.word(header.checked_add(WORD)?)?);
        if len == 0 || len > LONGEST_REASON {
            return None;
        }
        let text = String::from_utf8(read_vec(self.memory, address, len as usize).ok()?).ok()?;
        text.bytes().all(|byte| matches!(byte, b' '..=b'~')).then_some(text)
    }

    fn is_text(&self, address: u64, text: &[u8]) -> bool {
        read_vec(self.memory, address, text.len()).is_ok_and(|bytes| bytes == text)
    }

    fn word(&self, address: u64) -> Option<u64> {
        self.arch.read_word(self.memory, address).ok()
    }

    fn number(&self, address: u64, size: u8) -> Option<u64> {
        self.arch.read_number(self.memory, address, size).ok()
    }
}
