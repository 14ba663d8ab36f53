//! Functions of Go's runtime that don't treat the stack as others do.

/// What a function does to the stack that the size of its frame doesn't tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// Nothing called it: its stack begins with it. Where it has a return address, that is a leftover.
    First,
    /// It calls a function on the thread's stack, for the goroutine that called it.
    SystemStack,
    /// It asks for a larger stack, on the thread's, in the name of the function that needs it.
    MoreStack,
    /// It calls a C function on the thread's stack, for the goroutine that called it.
    CallsC,
    /// It was called by C code on the thread's stack, and goes on on the goroutine's.
    CalledByC,
    /// C code called it: it keeps C's registers in its frame.
    FromC,
    /// It wasn't called: a signal's handler put it between an instruction and the next.
    Injected,
}

impl Runtime {
    /// Recognises a function by its name (`runtime/asm_*.s`, `runtime/preempt.go`, `runtime/signal_unix.go`,
    /// `runtime/cgo/asm_*.s`; the names are those of Go 1.4 to 1.27).
    pub(crate) fn of(name: &[u8]) -> Option<Runtime> {
        Some(match name {
            b"runtime.goexit" | b"runtime.mcall" | b"runtime.rt0_go" | b"runtime.clone" => Runtime::First,
            b"runtime.systemstack" => Runtime::SystemStack,
            b"runtime.morestack" => Runtime::MoreStack,
            b"runtime.asmcgocall" => Runtime::CallsC,
            b"runtime.cgocallback" | b"runtime.cgocallback_gofunc" => Runtime::CalledByC,
            b"crosscall2" => Runtime::FromC,
            b"runtime.sigpanic" | b"runtime.asyncPreempt" => Runtime::Injected,
            _ => return None,
        })
    }
}
