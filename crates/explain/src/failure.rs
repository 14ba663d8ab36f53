//! What failed: a fault, the instruction that had it, and which of its accesses it was.

use epitaph_elf::signals::{SI_KERNEL, SIGBUS, SIGSEGV};
use epitaph_elf::{Arch, Memory, Process, X86_64};
use epitaph_summary::{Access, AccessKind, Cause, Confidence, Hex};

use crate::fault::{Fault, is_canonical};
use crate::instruction::{Action, Instruction, Machine, Operand};
use crate::regions::Space;
use crate::words;

/// How the failed access is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// The instruction accesses the very address that the kernel names, or fails as the kernel says without one.
    Agreed,
    /// The kernel names an address, and the instruction isn't known.
    AddressAlone,
    /// The kernel names no address, but the instruction would fail with these registers.
    Registers,
    /// The kernel names an address that none of the instruction's accesses reaches.
    Disagreed,
    /// Nothing tells.
    Nothing,
}

/// What failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The architecture.
    pub(crate) arch: &'static Arch,
    /// The program counter.
    pub(crate) pc: u64,
    /// The stack pointer.
    pub(crate) sp: Option<u64>,
    /// The instruction there, as far as it could be read.
    pub(crate) instruction: Option<Instruction>,
    /// The access that failed.
    pub(crate) operand: Option<Operand>,
    /// The address that failed: the kernel's, or else the access's.
    pub(crate) address: Option<u64>,
    /// What was tried there.
    pub(crate) kind: Option<AccessKind>,
    /// How that is known.
    pub(crate) basis: Basis,
    /// Whether the fault may be an older one.
    doubtful: bool,
}

impl Failure {
    /// Finds out what failed; `None` where the signal was not of a kind that a processor raises, or somebody else sent it.
    pub(crate) fn of(
        fault: &Fault,
        process: &Process,
        memory: &dyn Memory,
        space: &Space<'_>,
    ) -> Option<Failure> {
        let own = process.info.as_ref().map(|info| info.pid);
        let sent = fault.signal.sender.is_some_and(|(pid, _)| own.is_none_or(|own| pid != own));
        if !fault.may_be_synchronous() || sent {
            return None;
        }
        let arch = process.arch;
        let pc = fault.registers.get(arch.pc)?;
        let tls = process.threads.first().and_then(|thread| thread.tls);
        let instruction = Instruction::decode(Machine { arch, registers: &fault.registers, tls, memory });
        let mut failure = Failure {
            arch,
            pc,
            sp: fault.registers.get(arch.sp),
            instruction,
            operand: None,
            address: named_address(fault, arch),
            kind: fault.write.map(|write| if write { AccessKind::Write } else { AccessKind::Read }),
            basis: Basis::Nothing,
            doubtful: fault.doubtful,
        };
        failure.find(fault, memory, space);
        Some(failure)
    }

    /// Finds the access.
    fn find(&mut self, fault: &Fault, memory: &dyn Memory, space: &Space<'_>) {
        // Some processors refuse to jump to what is no address, others fail there; the latter name no address.
        let no_address = self.address.is_none() && *self.arch == X86_64 && !is_canonical(self.pc);
        let is_code = memory.is_executable(self.pc);
        let basis = match self.address {
            _ if no_address => Some(Basis::Agreed),
            Some(address) if address == self.pc && !is_code => Some(Basis::Agreed),
            None if fault.signal.number == SIGSEGV && !is_code => Some(Basis::Registers),
            _ => None,
        };
        if let Some(basis) = basis {
            self.address = Some(self.pc);
            self.kind = Some(AccessKind::Execute);
            self.basis = basis;
            // What stands there was never executed.
            self.instruction = None;
            return;
        }
        let operands = self.instruction.as_ref().map(|instruction| instruction.operands.as_slice());
        let (operand, basis) = match (operands, self.address) {
            (None, Some(_)) => (None, Basis::AddressAlone),
            (None, None) => (None, Basis::Nothing),
            (Some(operands), Some(address)) => {
                match operands.iter().find(|operand| operand.reaches(address)) {
                    Some(operand) => (Some(operand), Basis::Agreed),
                    // An access through registers that nobody knows may be the one.
                    None => match operands {
                        [only] if only.address.is_none() => {
                            self.kind = Some(only.kind);
                            (None, Basis::AddressAlone)
                        }
                        _ if operands.iter().any(|operand| operand.address.is_none()) => {
                            (None, Basis::AddressAlone)
                        }
                        _ => (None, Basis::Disagreed),
                    },
                }
            }
            (Some(operands), None) => by_registers(self.arch, operands, fault, space, memory, self.pc),
        };
        self.operand = operand.cloned();
        self.basis = basis;
        self.kind = self.operand.as_ref().map(|operand| operand.kind).or(self.kind);
        self.address = self.address.or_else(|| self.operand.as_ref().and_then(|operand| operand.address));
    }

    /// Returns the address where the access starts: the kernel names the first byte that failed.
    pub(crate) fn start(&self) -> Option<u64> {
        self.operand.as_ref().and_then(|operand| operand.address).or(self.address)
    }

    /// Returns what the instruction does.
    pub(crate) fn action(&self) -> Option<Action> {
        self.instruction.as_ref().map(|instruction| instruction.action)
    }

    /// Tells whether it was the fetch of an instruction that failed.
    pub(crate) fn is_execution(&self) -> bool {
        self.kind == Some(AccessKind::Execute)
    }

    /// Returns a confidence, or the most that this basis allows where that is less.
    pub(crate) fn at_most(&self, confidence: Confidence) -> Confidence {
        let most = match self.basis {
            _ if self.doubtful => Confidence::Low,
            Basis::Agreed => Confidence::High,
            Basis::AddressAlone | Basis::Registers => Confidence::Medium,
            Basis::Disagreed | Basis::Nothing => Confidence::Low,
        };
        confidence.max(most)
    }

    /// Makes a cause of it, no surer than its basis allows, with the access and what it was concluded from.
    pub(crate) fn cause(&self, class: &str, confidence: Confidence, summary: String) -> Cause {
        let mut cause = Cause::new(class, self.at_most(confidence), summary);
        cause.instruction = self.instruction.as_ref().map(Instruction::described);
        cause.access = self.access();
        cause.evidence = self.evidence();
        cause
    }

    /// Makes a cause that no access to memory had a part in.
    pub(crate) fn cause_without_access(
        &self,
        class: &str,
        confidence: Confidence,
        summary: impl Into<String>,
    ) -> Cause {
        let confidence = if self.doubtful { Confidence::Low } else { confidence };
        let mut cause = Cause::new(class, confidence, summary);
        cause.instruction = self.instruction.as_ref().map(Instruction::described);
        cause.evidence = self.instruction.iter().map(fails_at).collect();
        cause
    }

    /// Says what the registers of an access look like that are no addresses.
    pub(crate) fn looks(&self, operand: &Operand) -> Vec<String> {
        let held = operand.base.iter().chain(operand.index.iter().map(|(index, _)| index));
        held.filter_map(|held| {
            let looks = words::looks_like(held.value?, self.arch.bits())?;
            Some(format!("{} looks like {looks}", held.register))
        })
        .collect()
    }

    fn access(&self) -> Option<Access> {
        let base = self.operand.as_ref().and_then(|operand| operand.base.as_ref());
        Some(Access {
            kind: self.kind,
            address: Some(Hex(self.start()?)),
            size: self.operand.as_ref().and_then(|operand| operand.size),
            base_register: base.map(|base| base.register.clone()),
            base_value: base.and_then(|base| base.value).map(Hex),
            offset: self.operand.as_ref().and_then(Operand::offset),
            ..Access::default()
        })
    }

    fn evidence(&self) -> Vec<String> {
        let mut evidence: Vec<String> = Vec::new();
        if let Some((instruction, operand)) = self.instruction.as_ref().zip(self.operand.as_ref()) {
            evidence.push(tells(instruction, operand));
        }
        let address = self.address.unwrap_or_default();
        evidence.extend(match self.basis {
            Basis::Agreed if self.is_execution() => {
                Some(format!("the address that failed is the program counter's own: {address:#x}"))
            }
            Basis::Agreed => None,
            Basis::AddressAlone => Some("the instruction isn't known: only the address is".to_owned()),
            Basis::Registers => {
                Some("the kernel names no address: this is what the registers give".to_owned())
            }
            Basis::Disagreed => {
                Some(format!("the kernel names {address:#x}, which no access of the instruction reaches"))
            }
            Basis::Nothing => None,
        });
        if self.doubtful {
            evidence.push("it is the last fault that the kernel noted: maybe an older one".to_owned());
        }
        evidence
    }
}

/// Returns the address that the kernel names. On x86 it names none for a misaligned access, which is 0 there
/// (`exc_alignment_check`, linux/arch/x86/kernel/traps.c).
fn named_address(fault: &Fault, arch: &Arch) -> Option<u64> {
    let unnamed = is_misaligned(fault) && arch.link.is_none();
    fault.signal.fault_address.filter(|address| !(unnamed && *address == 0))
}

/// Tells whether the kernel says that the access should have been aligned.
fn is_misaligned(fault: &Fault) -> bool {
    const BUS_ADRALN: i32 = 1;
    fault.signal.number == SIGBUS && fault.signal.code == Some(BUS_ADRALN)
}

/// Says which instruction fails.
fn fails_at(instruction: &Instruction) -> String {
    format!("the instruction is `{}`", instruction.text)
}

/// Says what an instruction accesses: "`mov edx,[rax+0x148]` reads 4 bytes at 0x148: rax is 0x0".
fn tells(instruction: &Instruction, operand: &Operand) -> String {
    let verb = if operand.kind == AccessKind::Write { "writes" } else { "reads" };
    let size = match operand.size {
        Some(1) => "1 byte".to_owned(),
        Some(size) => format!("{size} bytes"),
        None => "memory".to_owned(),
    };
    let place = operand.address.map(|address| format!(" at {address:#x}")).unwrap_or_default();
    let held = operand.base.iter().chain(operand.index.iter().map(|(index, _)| index));
    let held: Vec<String> = held
        .filter(|held| held.register != "rip" && held.register != "eip")
        .filter_map(|held| Some(format!("{} is {:#x}", held.register, held.value?)))
        .collect();
    let held = if held.is_empty() { String::new() } else { format!(": {}", held.join(", ")) };
    format!("`{}` {verb} {size}{place}{held}", instruction.text)
}

/// Finds the access that fails with the registers as they are, where the kernel names no address: because the processor
/// doesn't tell one, or because the signal was sent (a handler raised it again, and the registers are the fault's).
fn by_registers<'o>(
    arch: &'static Arch,
    operands: &'o [Operand],
    fault: &Fault,
    space: &Space<'_>,
    memory: &dyn Memory,
    pc: u64,
) -> (Option<&'o Operand>, Basis) {
    let by_processor = fault.signal.code == Some(SI_KERNEL);
    if by_processor && *arch == X86_64 {
        let fails = |operand: &&Operand| operand.address.is_some_and(|address| !is_canonical(address));
        if let Some(operand) = operands.iter().find(fails) {
            return (Some(operand), Basis::Agreed);
        }
        if let Some(operand) = operands.iter().find(|operand| operand.is_misaligned()) {
            return (Some(operand), Basis::Agreed);
        }
    }
    if is_misaligned(fault) {
        let misaligned = |operand: &&Operand| {
            let size = operand.size.unwrap_or(0);
            size > 1 && operand.address.is_some_and(|address| !address.is_multiple_of(size.into()))
        };
        return match operands.iter().find(misaligned) {
            Some(operand) => (Some(operand), Basis::Agreed),
            None => (None, Basis::Nothing),
        };
    }
    // After a system call the registers are those of who sent the signal.
    if !by_processor && after_system_call(arch, memory, pc) {
        return (None, Basis::Nothing);
    }
    let fails = |operand: &&Operand| {
        let write = operand.kind == AccessKind::Write;
        operand.address.is_some_and(|address| {
            let last = address.saturating_add(operand.size.unwrap_or(1).max(1).into()) - 1;
            space.forbids(address, write) || space.forbids(last, write)
        })
    };
    match operands.iter().find(fails) {
        Some(operand) => (Some(operand), Basis::Registers),
        None => (None, Basis::Nothing),
    }
}

/// Tells whether the instruction before an address is a system call.
fn after_system_call(arch: &'static Arch, memory: &dyn Memory, pc: u64) -> bool {
    // syscall, sysenter, int $0x80; svc #0
    const X86: [u64; 3] = [0x050f, 0x340f, 0x80cd];
    const ARM: u64 = 0xd400_0001;
    let before = |size: u8| arch.read_number(memory, pc.checked_sub(size.into())?, size).ok();
    match arch.link {
        None => before(2).is_some_and(|code| X86.contains(&code)),
        Some(_) => before(4) == Some(ARM),
    }
}
