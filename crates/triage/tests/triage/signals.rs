//! What a summary says of the signal.

use epitaph_summary::{Hex, Signal};
use epitaph_testkit::core::{CoreBuilder, Psinfo, Siginfo, Thread};

use crate::support::{Nothing, built, summary};

const OWN_PID: u32 = 4711;

fn signal(builder: CoreBuilder) -> Signal {
    let psinfo = Psinfo { pid: OWN_PID, ..Psinfo::default() };
    summary(&built(&builder.thread(Thread::new(OWN_PID)).psinfo(psinfo)), &Nothing).signal.unwrap()
}

#[test]
fn faults_are_told_with_their_address() {
    for (number, code, address, name, code_name, sentence) in [
        (11, 1, 0x18, "SIGSEGV", "SEGV_MAPERR", "access to unmapped address 0x18: a null pointer"),
        (11, 1, 0xffff, "SIGSEGV", "SEGV_MAPERR", "access to unmapped address 0xffff: a null pointer"),
        (11, 1, 0x1_0000, "SIGSEGV", "SEGV_MAPERR", "access to unmapped address 0x10000"),
        (
            11,
            2,
            0x40_0000,
            "SIGSEGV",
            "SEGV_ACCERR",
            "access to address 0x400000 that its protection forbids",
        ),
        (7, 1, 0x1001, "SIGBUS", "BUS_ADRALN", "misaligned access to address 0x1001"),
        (
            7,
            2,
            0x7000,
            "SIGBUS",
            "BUS_ADRERR",
            "access to address 0x7000, beyond the end of the file that is mapped there",
        ),
        (8, 1, 0x40_1136, "SIGFPE", "FPE_INTDIV", "integer division by zero at 0x401136"),
        (8, 7, 0x40_1136, "SIGFPE", "FPE_FLTINV", "arithmetic error at 0x401136"),
        (4, 2, 0x40_1136, "SIGILL", "ILL_ILLOPN", "illegal instruction at 0x401136"),
        (5, 1, 0x40_1136, "SIGTRAP", "TRAP_BRKPT", "breakpoint or trap at 0x401136"),
    ] {
        let told = signal(CoreBuilder::new().siginfo(Siginfo::fault(number, code, address)));
        assert_eq!(told.number, Some(number as i32));
        assert_eq!((told.name.as_deref(), told.code_name.as_deref()), (Some(name), Some(code_name)));
        assert_eq!((told.fault_address, told.description.as_deref()), (Some(Hex(address)), Some(sentence)));
        assert_eq!((told.sender_pid, told.sender_uid), (None, None));
    }
}

#[test]
fn sent_signals_are_told_with_their_sender() {
    for (number, code, pid, code_name, sentence) in [
        (6, -6, OWN_PID, "SI_TKILL", "the process aborted itself"),
        (11, 0, OWN_PID, "SI_USER", "the process sent the signal to itself"),
        (15, 0, 42, "SI_USER", "sent by process 42 (user 1000)"),
        (6, -6, 42, "SI_TKILL", "sent by process 42 (user 1000)"),
        (3, -1, 42, "SI_QUEUE", "sent by process 42 (user 1000)"),
        (9, 0, 0, "SI_USER", "sent from outside of the process's PID namespace"),
    ] {
        let told = signal(CoreBuilder::new().siginfo(Siginfo::sent(number, code, pid, 1000)));
        assert_eq!((told.sender_pid, told.sender_uid), (Some(pid), Some(1000)));
        assert_eq!(
            (told.code_name.as_deref(), told.description.as_deref()),
            (Some(code_name), Some(sentence))
        );
        assert_eq!(told.fault_address, None);
    }
}

#[test]
fn what_is_not_known_of_a_signal_is_not_told() {
    let told = signal(CoreBuilder::new().siginfo(Siginfo::fault(11, 0x80, 0)));
    assert_eq!((told.fault_address, told.code_name.as_deref()), (None, Some("SI_KERNEL")));
    let sentence = "access to a non-canonical address, or another fault without an address";
    assert_eq!(told.description.as_deref(), Some(sentence));
    // A code that no header has, and a real-time signal.
    let told = signal(CoreBuilder::new().siginfo(Siginfo::fault(11, 77, 0x5000)));
    assert_eq!((told.code, told.code_name, told.description), (Some(77), None, None));
    let told = signal(CoreBuilder::new().siginfo(Siginfo::sent(40, -6, 42, 0)));
    assert_eq!((told.number, told.name), (Some(40), None));
}

#[test]
fn without_siginfo_the_number_is_told_and_nothing_invented() {
    let core = built(&CoreBuilder::new().thread(Thread::new(1).signal(11)));
    let summary = summary(&core, &Nothing);
    let told = summary.signal.as_ref().unwrap();
    assert_eq!((told.number, told.name.as_deref()), (Some(11), Some("SIGSEGV")));
    assert_eq!((told.code, told.fault_address, &told.description), (None, None, &None));
    assert!(summary.threads[0].crashed);
}

#[test]
fn a_core_of_no_signal_has_no_crashing_thread() {
    let core = built(&CoreBuilder::new().thread(Thread::new(1)).thread(Thread::new(2)));
    let summary = summary(&core, &Nothing);
    assert_eq!((summary.signal.is_none(), summary.crashing_thread()), (true, None));
    assert_eq!(summary.threads.len(), 2);
}
