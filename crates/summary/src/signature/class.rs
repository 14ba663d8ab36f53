//! The part of a cause that is the same for one bug, whatever the run and the build.

use super::key::Key;
use super::story::Form;
use crate::cause::{AccessKind, Cause};
use crate::model::CrashSummary;

/// Classes that come down to one, since which of them it is depends on what memory holds by chance, or on how the compiler
/// laid the access out: an uninitialized pointer, a freed one and an index beyond the end fault this way or that.
const MERGED: [(&str, &str); 12] = [
    ("near_null", "null_deref"),
    ("null_deref", "null_deref"),
    ("non_canonical", BAD_ACCESS),
    ("wild_pointer", BAD_ACCESS),
    ("use_after_free", BAD_ACCESS),
    ("guard_page", BAD_ACCESS),
    ("write_readonly", BAD_ACCESS),
    ("memory_tag", BAD_ACCESS),
    ("exec_null", "exec_null"),
    ("exec_nonexec", BAD_EXECUTION),
    ("exec_wild", BAD_EXECUTION),
    ("return_corrupt", BAD_EXECUTION),
];

/// Classes that are about the heap: where they are found out, names or not, is in the allocator.
const ABOUT_HEAP: [&str; 3] = ["heap_corruption", "double_free", "invalid_free"];

const BAD_ACCESS: &str = "bad_access";
const BAD_EXECUTION: &str = "bad_exec";
const HANG: &str = "hang";
const DEADLOCK: &str = "deadlock";

/// Classes of processes that were ended, or looked at, from outside, whatever they were doing.
const HANGS: [&str; 5] = ["not_a_crash", "killed_by_other", "watchdog", "timeout", DEADLOCK];

const STACK_OVERFLOW: &str = "stack_overflow";
const UNKNOWN_SIGNAL: &str = "unknown_signal";

/// SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV and SIGSYS: signals that a processor's fault ends in.
const FAULT_SIGNALS: [i32; 6] = [4, 5, 7, 8, 11, 31];

/// What a signature says of a cause.
#[derive(Debug)]
pub(super) struct Class {
    /// The cause's own class, for people.
    pub(super) shown: String,
    /// What is hashed of it.
    token: String,
    /// What tells two crashes of one class in one function apart: an assertion's text, an exception's type, the system call
    /// that was refused.
    pub(super) details: Option<String>,
    form: Form,
}

impl Class {
    /// Takes it from a crash. One without a cause has the name of its signal.
    pub(super) fn of(crash: &CrashSummary) -> Class {
        let signal = crash.signal.as_ref();
        let number = signal.and_then(|signal| signal.number);
        let by_signal = match number {
            None | Some(0) => Form::Hang,
            Some(number) if FAULT_SIGNALS.contains(&number) => Form::Fault,
            Some(_) => Form::Abort,
        };
        let signal_name = signal.and_then(|signal| signal.name.clone());
        let signal_name = signal_name.or_else(|| Some(format!("signal {}", number?))).unwrap_or_default();
        let Some(cause) = crash.cause.as_ref().filter(|cause| !cause.class.is_empty()) else {
            return Class { shown: signal_name.clone(), token: signal_name, details: None, form: by_signal };
        };
        let family = family(&cause.class);
        let (form, token) = if HANGS.contains(&family) {
            (Form::Hang, if crash.deadlocks.is_empty() { HANG } else { DEADLOCK }.to_owned())
        } else if family == STACK_OVERFLOW {
            (Form::Overflow, family.to_owned())
        } else if let Some((_, merged)) = MERGED.iter().find(|(class, _)| *class == family) {
            (
                Form::Fault,
                if executes(cause) && *merged == BAD_ACCESS { BAD_EXECUTION } else { *merged }.to_owned(),
            )
        } else {
            // What has a cause didn't just hang.
            let form = if by_signal == Form::Hang { Form::Abort } else { by_signal };
            let unknown = family == UNKNOWN_SIGNAL;
            (form, if unknown { format!("{family} {signal_name}") } else { cause.class.clone() })
        };
        let refused = signal.and_then(|signal| signal.syscall.as_ref()?.name.clone());
        Class { shown: cause.class.clone(), token, details: details(cause).or(refused), form }
    }

    /// How the process came to its end.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// Writes the first line of a signature. A fault in the allocator is told from one in its caller: the heap was
    /// damaged before. Of no other library's functions: compilers put their own code in those functions' places.
    pub(super) fn line(&self, key: &Key) -> String {
        let details = self.details.iter().map(|details| format!(": {details}"));
        let says_more = key.in_heap && !ABOUT_HEAP.contains(&family(&self.token));
        let heap = says_more.then(|| " in the allocator".to_owned());
        [self.token.clone()].into_iter().chain(details).chain(heap).collect()
    }
}

/// Returns what stands before a class's kind.
fn family(class: &str) -> &str {
    class.split(':').next().unwrap_or(class)
}

fn executes(cause: &Cause) -> bool {
    cause.access.as_ref().is_some_and(|access| access.kind == Some(AccessKind::Execute))
}

/// Returns an assertion's text with its file's name, or an exception's type that the class doesn't tell.
fn details(cause: &Cause) -> Option<String> {
    let assertion = cause.assertion.as_ref().and_then(|assertion| {
        let file = assertion.file.as_deref().map(|file| file.rsplit('/').next().unwrap_or(file));
        match (assertion.expression.as_deref(), file) {
            (Some(expression), Some(file)) => Some(format!("{expression} ({file})")),
            (expression, file) => expression.or(file).map(str::to_owned),
        }
    });
    let exception = || {
        let type_name = cause.exception.as_ref()?.type_name.as_ref()?;
        (!cause.class.contains(type_name.as_str())).then(|| type_name.clone())
    };
    assertion.or_else(exception)
}
