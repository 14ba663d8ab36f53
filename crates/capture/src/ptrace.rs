//! ptrace(2), as far as it is needed: the one place of this crate that no safe library covers.
//!
//! The wrappers that there are know neither real-time signals, which have to be passed on like any other, nor sets of
//! registers whose size only the kernel knows. Every request but `seize` is for a thread that stands still and is
//! traced by the thread that asks; the kernel refuses others. Besides, there is the question whether it would let us
//! look at a thread at all.
#![expect(
    unsafe_code,
    reason = "ptrace has no safe interface that passes on every signal and reads every register"
)]

use std::io;

use libc::{c_int, c_uint, c_ulong, c_void, iovec};
use rustix::process::Pid;

/// Bytes of `siginfo_t`, in 64-bit words so that it is aligned.
const SIGNAL_INFO: usize = 128 / 8;
/// Most bytes of a set of registers: AVX-512 and AMX take 11 KiB, SVE at its widest 17 KiB.
const MOST_REGISTERS: usize = 64 << 10;

/// New processes and threads of a traced one are traced as well; executed programs are told, and ends, while memory and
/// registers are still there. Nobody is killed when the tracer ends.
const FOLLOW: c_int = libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT;

/// Asks the kernel for something.
///
/// # Safety
///
/// `data` must be what `request` takes: a number, or a pointer to something valid that is as large as the kernel takes
/// it for.
unsafe fn ask(request: c_uint, thread: Pid, address: usize, data: *mut c_void) -> io::Result<()> {
    // SAFETY: the caller sees to `data`; no request that is made here takes `address` for a pointer of ours.
    let answer = unsafe { libc::ptrace(request as _, thread.as_raw_pid(), address, data) };
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Asks for something that takes a number at most.
fn ask_with(request: c_uint, thread: Pid, number: usize) -> io::Result<()> {
    // SAFETY: the requests that are made by this function take a number.
    unsafe { ask(request, thread, 0, std::ptr::without_provenance_mut(number)) }
}

/// Begins to trace a thread, which goes on; what it starts is traced as well if it is `followed`.
pub(crate) fn seize(thread: Pid, followed: bool) -> io::Result<()> {
    ask_with(libc::PTRACE_SEIZE, thread, if followed { FOLLOW as usize } else { 0 })
}

/// Makes a thread stop soon, wherever it is.
pub(crate) fn interrupt(thread: Pid) -> io::Result<()> {
    ask_with(libc::PTRACE_INTERRUPT, thread, 0)
}

/// Lets a thread go on with a signal, 0 for none.
pub(crate) fn go_on(thread: Pid, signal: i32) -> io::Result<()> {
    ask_with(libc::PTRACE_CONT, thread, signal as usize)
}

/// Leaves a thread that job control has stopped where it is, until something continues it.
pub(crate) fn leave_stopped(thread: Pid) -> io::Result<()> {
    ask_with(libc::PTRACE_LISTEN, thread, 0)
}

/// Ends the tracing of a thread, which goes on with a signal, 0 for none.
pub(crate) fn detach(thread: Pid, signal: i32) -> io::Result<()> {
    ask_with(libc::PTRACE_DETACH, thread, signal as usize)
}

/// Returns the `siginfo_t` of the signal that a thread is about to take.
pub(crate) fn signal_info(thread: Pid) -> io::Result<Vec<u8>> {
    let mut info = [0_u64; SIGNAL_INFO];
    // SAFETY: the kernel writes a `siginfo_t`, which is 128 bytes on every architecture, and `info` is as large.
    unsafe { ask(libc::PTRACE_GETSIGINFO, thread, 0, info.as_mut_ptr().cast())? };
    Ok(info.iter().flat_map(|word| word.to_ne_bytes()).collect())
}

/// Returns what the event that a thread has stopped for says: of its end, the status that `wait` will give of it.
pub(crate) fn event_message(thread: Pid) -> io::Result<c_ulong> {
    let mut message: c_ulong = 0;
    // SAFETY: the kernel writes an `unsigned long`, which `message` is.
    unsafe { ask(libc::PTRACE_GETEVENTMSG, thread, 0, (&raw mut message).cast())? };
    Ok(message)
}

/// Returns a set of a thread's registers (`NT_…` of linux/elf.h), as large as the kernel has it.
pub(crate) fn registers(thread: Pid, set: u32) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0_u8; MOST_REGISTERS];
    let mut vector = iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: `vector` describes `buffer`; the kernel writes no more than `iov_len` bytes and sets that to their count.
    unsafe { ask(libc::PTRACE_GETREGSET, thread, set as usize, (&raw mut vector).cast())? };
    buffer.truncate(vector.iov_len);
    Ok(buffer)
}

/// Asks whether the caller may look into a thread: `EPERM` says no (ptrace(2), "Ptrace access mode checking", with
/// `PTRACE_MODE_READ_REALCREDS`). Nothing else is done; the thread need not be traced, nor stand still.
pub(crate) fn may_read(thread: Pid) -> io::Result<()> {
    let mut head: *mut c_void = std::ptr::null_mut();
    let mut length: usize = 0;
    // SAFETY: get_robust_list(2) takes a thread's id and writes a pointer and a size, which these are. The pointer is one
    // of that thread's, and is not followed.
    let answer = unsafe {
        libc::syscall(libc::SYS_get_robust_list, thread.as_raw_pid(), &raw mut head, &raw mut length)
    };
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
