//! A program that runs an instruction at a time, and the calls that it is in: what an unwinder must find, known without
//! one.
//!
//! The program stops itself (`raise(SIGSTOP)`) where the steps are to begin. From then on each call is seen as it is
//! made, by the return address that it pushes, and each return by the stack pointer, which leaves the return address
//! behind. What was on the stack before is told by the caller.
//!
//! It knows x86-64 Linux only.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::libc::user_regs_struct;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Longest x86 instruction, in bytes (Intel SDM volume 2, 2.3.11).
const LONGEST_INSTRUCTION: u64 = 15;

/// A call that has not returned, or an interruption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Where it goes on afterwards.
    pub pc: u64,
    /// When the stack pointer is above this, it is over.
    pub slot: u64,
}

/// A mapping of the stopped process, as `/proc/PID/maps` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Whether it is executable.
    pub execute: bool,
    /// The file's path; empty where there is none.
    pub path: String,
}

/// A process that is killed when this is dropped.
#[derive(Debug)]
struct Running(Child);

impl Running {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().cast_signed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that is being stepped. It is killed when this is dropped.
#[derive(Debug)]
pub struct Stepped {
    child: Running,
    memory: File,
    /// Innermost last.
    pending: Vec<Pending>,
    registers: user_regs_struct,
}

impl Stepped {
    /// Starts a program, all its symbols bound, and waits until it stops itself.
    ///
    /// # Errors
    /// Why it can't be traced.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn start(program: &Path) -> Result<Stepped, nix::Error> {
        let child = Command::new(program)
            .env_clear()
            .env("LD_BIND_NOW", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {}: {error}", program.display()));
        let child = Running(child);
        let pid = child.pid();
        let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
        assert!(
            matches!(stopped, WaitStatus::Stopped(_, Signal::SIGSTOP)),
            "{}: {stopped:?}",
            program.display()
        );
        ptrace::attach(pid)?;
        waitpid(pid, None)?;
        let memory = File::open(format!("/proc/{pid}/mem")).expect("a traced process's memory");
        let registers = ptrace::getregs(pid)?;
        Ok(Stepped { child, memory, pending: Vec::new(), registers })
    }

    /// Tells which calls are pending, innermost last, before the first step.
    pub fn begin_with(&mut self, pending: Vec<Pending>) {
        self.pending = pending;
    }

    /// Returns the general registers, by DWARF number (System V ABI for AMD64, figure 3.36), and the program counter
    /// as number 16.
    pub fn registers(&self) -> [u64; 17] {
        let r = &self.registers;
        [
            r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13,
            r.r14, r.r15, r.rip,
        ]
    }

    /// Returns where the program is, and where each pending call goes on, innermost first.
    pub fn chain(&self) -> Vec<u64> {
        std::iter::once(self.registers.rip).chain(self.pending.iter().rev().map(|call| call.pc)).collect()
    }

    /// Carries out one instruction. Returns whether the program still runs and hasn't stopped itself again.
    ///
    /// # Panics
    /// When it can't be traced any more.
    pub fn step(&mut self) -> bool {
        let pid = self.child.pid();
        let mut signal = None;
        loop {
            ptrace::step(pid, signal).expect("a step");
            match waitpid(pid, None).expect("a traced process") {
                WaitStatus::Stopped(_, Signal::SIGTRAP) => break,
                // The one that it stopped itself with arrives again when it goes on.
                WaitStatus::Stopped(_, Signal::SIGSTOP) => signal = None,
                WaitStatus::Stopped(_, other) => signal = Some(other),
                _ => return false,
            }
        }
        let before = self.registers;
        self.registers = ptrace::getregs(pid).expect("registers");
        self.count_calls(&before, signal.is_some());
        true
    }

    fn count_calls(&mut self, before: &user_regs_struct, interrupted: bool) {
        let (now, top) = (self.registers, self.word(self.registers.rsp));
        if interrupted && now.rsp != before.rsp {
            // A handler starts: on the stack is what it returns to, and that returns to what was interrupted.
            self.pending.push(Pending { pc: before.rip, slot: before.rsp - 1 });
            self.pending.push(Pending { pc: top, slot: now.rsp });
            return;
        }
        while self.pending.last().is_some_and(|call| call.slot < now.rsp) {
            self.pending.pop();
        }
        let after = before.rip + 1..=before.rip + LONGEST_INSTRUCTION;
        if now.rsp == before.rsp.wrapping_sub(8) && after.contains(&top) && !after.contains(&now.rip)
            || now.rsp == before.rsp.wrapping_sub(8) && self.is_near_call(before.rip, top)
        {
            self.pending.push(Pending { pc: top, slot: now.rsp });
        }
    }

    /// Tells whether the instruction at `pc` is a direct call with the return address `after`: of a neighbour.
    fn is_near_call(&self, pc: u64, after: u64) -> bool {
        let mut opcode = [0];
        after == pc + 5
            && self.read(pc, &mut opcode).is_ok()
            && opcode == [0xe8]
            && self.registers.rip != after
    }

    fn word(&self, address: u64) -> u64 {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes).map_or(0, |()| u64::from_le_bytes(bytes))
    }

    /// Reads memory.
    ///
    /// # Errors
    /// Where it isn't mapped.
    pub fn read(&self, address: u64, buf: &mut [u8]) -> std::io::Result<()> {
        self.memory.read_exact_at(buf, address)
    }

    /// Reads what is mapped.
    ///
    /// # Panics
    /// When the kernel's list can't be read.
    pub fn mappings(&self) -> Vec<Mapping> {
        let maps =
            std::fs::read_to_string(format!("/proc/{}/maps", self.child.pid())).expect("a process's maps");
        maps.lines().map(mapping).collect()
    }
}

/// Parses a line: `start-end rwxp offset device inode path` (proc_pid_maps(5)).
fn mapping(line: &str) -> Mapping {
    let mut words = line.splitn(6, ' ');
    let mut word = || words.next().unwrap_or_default();
    let hex = |text: &str| u64::from_str_radix(text, 16).expect("an address");
    let (start, end) = word().split_once('-').expect("a range");
    let execute = word().contains('x');
    let offset = hex(word());
    let (_device, _inode) = (word(), word());
    Mapping { start: hex(start), end: hex(end), offset, execute, path: word().trim_start().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_is_read() {
        let read = mapping("7f00-7f10 r-xp 00001000 fe:01 42                     /usr/lib/a b.so");
        let expected = Mapping {
            start: 0x7f00,
            end: 0x7f10,
            offset: 0x1000,
            execute: true,
            path: "/usr/lib/a b.so".to_owned(),
        };
        assert_eq!(read, expected);
        assert_eq!(mapping("7f00-7f10 rw-p 00000000 00:00 0 ").path, "");
    }
}
