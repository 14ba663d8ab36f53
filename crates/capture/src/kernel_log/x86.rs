//! The messages of x86.

use epitaph_elf::signals::{SI_KERNEL, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};
use epitaph_elf::{Arch, I386, Remains, SignalInfo, X86_64};

use super::mapping::mapping;
use super::{hex, thread};

/// `si_code`s (linux/include/uapi/asm-generic/siginfo.h).
const ILL_ILLOPN: i32 = 2;
const FPE_INTDIV: i32 = 1;
const BUS_ADRALN: i32 = 1;
const SEGV_ACCERR: i32 = 2;
/// In a page fault's error code: the page was there (`X86_PF_PROT`).
const PAGE_WAS_THERE: u64 = 1;
/// Most bytes of code that a message has (`OPCODE_BUFSIZE`).
const MOST_CODE: usize = 64;

/// What a trap's name stands for: signal, `si_code`, and whether `si_addr` is the program counter
/// (linux/arch/x86/kernel/traps.c).
const TRAPS: [(&str, i32, i32, bool); 9] = [
    ("general protection fault", SIGSEGV, SI_KERNEL, false),
    ("general protection", SIGSEGV, SI_KERNEL, false),
    ("trap invalid opcode", SIGILL, ILL_ILLOPN, true),
    ("trap divide error", SIGFPE, FPE_INTDIV, true),
    ("trap int3", SIGTRAP, SI_KERNEL, false),
    ("trap alignment check", SIGBUS, BUS_ADRALN, false),
    ("trap stack segment", SIGBUS, SI_KERNEL, false),
    ("trap bounds", SIGSEGV, SI_KERNEL, false),
    ("trap overflow", SIGSEGV, SI_KERNEL, false),
];

/// Reads a message that tells of a death; returns the thread's name as well.
pub(super) fn crash(message: &str) -> Option<(String, Remains)> {
    page_fault(message).or_else(|| trap(message))
}

/// `NAME[TID]: segfault at ADDRESS ip IP sp SP error CODE in FILE[…]`
fn page_fault(message: &str) -> Option<(String, Remains)> {
    let (head, rest) = message.split_once(": segfault at ")?;
    let (name, tid) = thread(head)?;
    let (address, rest) = rest.split_once(" ip ")?;
    let (ip, rest) = rest.split_once(" sp ")?;
    let (sp, rest) = rest.split_once(" error ")?;
    let (error, place) = rest.split_once(' ').unwrap_or((rest, ""));
    // A page that isn't there may be one that nothing is mapped at, or one that may not be touched: a guard page.
    let code = (hex(error)? & PAGE_WAS_THERE != 0).then_some(SEGV_ACCERR);
    let fault_address = Some(hex(address)?);
    let signal = SignalInfo { code, fault_address, ..SignalInfo::of_number(SIGSEGV) };
    Some((name, remains(tid, signal, hex(ip)?, hex(sp)?, place)))
}

/// `traps: NAME[TID] KIND ip:IP sp:SP error:CODE in FILE[…]`
fn trap(message: &str) -> Option<(String, Remains)> {
    let (head, rest) = message.strip_prefix("traps: ")?.split_once(" ip:")?;
    let (head, kind) = head.rsplit_once("] ")?;
    let (name, tid) = thread(&format!("{head}]"))?;
    let (ip, rest) = rest.split_once(" sp:")?;
    let (sp, rest) = rest.split_once(" error:")?;
    let ip = hex(ip)?;
    let (_, number, code, at_ip) = TRAPS.into_iter().find(|(name, ..)| *name == kind)?;
    let signal =
        SignalInfo { code: Some(code), fault_address: at_ip.then_some(ip), ..SignalInfo::of_number(number) };
    // Older kernels leave no space behind the code.
    let place = rest.trim_start_matches(|digit: char| digit.is_ascii_hexdigit()).trim_start();
    Some((name, remains(tid, signal, ip, hex(sp)?, place)))
}

fn remains(tid: u32, signal: SignalInfo, ip: u64, sp: u64, place: &str) -> Remains {
    // The stack of a 64-bit process is at the end of its address space.
    let arch: &'static Arch = if sp > u64::from(u32::MAX) { &X86_64 } else { &I386 };
    Remains {
        arch,
        tid,
        signal,
        registers: vec![(arch.pc, ip), (arch.sp, sp)],
        code: place.strip_prefix("in ").and_then(|place| mapping(place, ip)),
        bytes: None,
    }
}

/// Takes the code around the program counter, `Code: 55 48 89 <8b> 07 …`; tells whether the message is about that.
pub(super) fn add_code(message: &str, remains: &mut Remains) -> bool {
    let Some(code) = message.strip_prefix("Code: ") else { return false };
    let mut before = None;
    let mut bytes = Vec::new();
    for (index, byte) in code.split_whitespace().take(MOST_CODE).enumerate() {
        let marked = byte.strip_prefix('<').and_then(|byte| byte.strip_suffix('>'));
        if marked.is_some() {
            before = Some(index as u64);
        }
        let Ok(byte) = u8::from_str_radix(marked.unwrap_or(byte), 16) else { return true };
        bytes.push(byte);
    }
    let pc = remains.registers.iter().find(|(number, _)| *number == remains.arch.pc).map(|(_, pc)| *pc);
    let first = pc.zip(before).and_then(|(pc, before)| pc.checked_sub(before));
    remains.bytes = first.map(|first| (first, bytes));
    true
}
