//! The messages of arm64.

use epitaph_elf::signals::{SIGBUS, SIGILL, SIGSEGV};
use epitaph_elf::{AARCH64, Remains, SignalInfo};

use super::mapping::mapping;
use super::{hex, thread};

/// DWARF number of the link register.
const LINK: u16 = 30;
/// Parts of what is said, and the signals that they stand for (`fault_info` in linux/arch/arm64/mm/fault.c, and
/// arch/arm64/kernel/traps.c).
const SIGNALS: [(&str, i32); 7] = [
    ("undefined instruction", SIGILL),
    ("alignment", SIGBUS),
    ("external abort", SIGBUS),
    ("translation fault", SIGSEGV),
    ("permission fault", SIGSEGV),
    ("access flag fault", SIGSEGV),
    ("address size fault", SIGSEGV),
];

/// Reads the first message of a death, which doesn't say where: the registers follow.
///
/// `NAME[TID]: unhandled exception: CLASS, ESR 0x…, WHAT in FILE[…]`, before Linux 4.16
/// `NAME[TID]: unhandled WHAT (SIGNAL) at 0xADDRESS, esr 0x…, in FILE[…]`.
pub(super) fn crash(message: &str) -> Option<(String, Remains)> {
    let (head, what) = message.split_once(": unhandled ")?;
    let (name, tid) = thread(head)?;
    let (_, number) = SIGNALS.into_iter().find(|(part, _)| what.contains(part))?;
    let address = what.split_once(" at 0x").and_then(|(_, rest)| hex(rest.split_once(',')?.0));
    let signal = SignalInfo { fault_address: address, ..SignalInfo::of_number(number) };
    Some((name, Remains { arch: &AARCH64, tid, signal, registers: Vec::new(), code: None, bytes: None }))
}

/// Takes registers: `pc : 0000aaaad0b50714`, `x29: 0000ffffe0a1b2d0 x28: …`. With the program counter, the mapping in the
/// `first` message makes sense.
pub(super) fn add_registers(message: &str, first: &str, remains: &mut Remains) {
    if *remains.arch != AARCH64 {
        return;
    }
    let mut words = message.split_whitespace().filter(|word| *word != ":");
    while let Some(name) = words.next() {
        let Some(number) = register(name.trim_end_matches(':')) else { return };
        let Some(value) = words.next().and_then(hex) else { return };
        if remains.registers.iter().all(|(known, _)| *known != number) {
            remains.registers.push((number, value));
            if number == AARCH64.pc {
                remains.code = first.split_once(" in ").and_then(|(_, place)| mapping(place, value));
            }
        }
    }
}

fn register(name: &str) -> Option<u16> {
    match name {
        "pc" => Some(AARCH64.pc),
        "sp" => Some(AARCH64.sp),
        "lr" => Some(LINK),
        _ => name.strip_prefix('x')?.parse().ok().filter(|number| *number < LINK),
    }
}
