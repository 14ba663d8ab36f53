//! The rules: one for each class of causes, with what it means and what to look at.

use serde_json::{Value, json};

/// How a finding is ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Error,
    Warning,
    Note,
}

impl Level {
    pub(super) fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        }
    }
}

/// A class of causes.
pub(super) struct Rule {
    /// Its id: the class, without what tells kinds of it apart.
    pub(super) id: String,
    pub(super) level: Level,
    /// What has happened.
    short: String,
    /// What to look at.
    help: String,
    /// The weakness, by its number in MITRE's list (CWE).
    weakness: Option<u16>,
}

/// The most characters of an id.
const LONGEST_ID: usize = 60;

/// What stands for a class that is no word.
const NO_WORD: &str = "crash";

use Level::{Error, Note, Warning};

/// Class, level, CWE, what has happened, what to look at.
const KNOWN: [(&str, Level, u16, &str, &str); 55] = [
    (
        "abort_call",
        Error,
        0,
        "The program called abort()",
        "The caller of abort() found a state that it could not go on from: its check, and what it printed last, say which.",
    ),
    (
        "assertion",
        Error,
        617,
        "An assertion did not hold",
        "The message names the expression: look at who could have made it false, and at the caller's arguments.",
    ),
    (
        "bad_opcode",
        Error,
        0,
        "The processor does not know the instruction",
        "A jump into data or into the middle of an instruction, or a binary built for a newer processor.",
    ),
    (
        "bus_truncated_file",
        Error,
        0,
        "A mapped file ends before the address that was read",
        "The file was cut or replaced while it was mapped: replace files by renaming, and don't write into them.",
    ),
    (
        "cxx_bad_alloc",
        Error,
        789,
        "Memory could not be allocated",
        "Look at the size that was asked for: a negative or unchecked number becomes a huge one.",
    ),
    (
        "cxx_exception",
        Error,
        248,
        "Nobody caught a C++ exception",
        "The stack is where it was thrown, if the unwinder kept it. A noexcept function or a destructor on the way ends the process too.",
    ),
    (
        "cxx_no_exception",
        Error,
        0,
        "std::terminate was called without an exception",
        "A thread object was destroyed unjoined, a pure virtual function was called, or noexcept was broken.",
    ),
    (
        "deadlock",
        Error,
        833,
        "Threads wait for each other in a ring",
        "Take the locks in one order everywhere; the report names who holds which.",
    ),
    (
        "double_free",
        Error,
        415,
        "Memory was freed twice",
        "Two owners free the same block: look at copies of the pointer, and at error paths that free early.",
    ),
    (
        "exec_nonexec",
        Error,
        0,
        "Memory was executed that may not be",
        "A function pointer, a virtual table or a return address was overwritten.",
    ),
    (
        "exec_null",
        Error,
        476,
        "A null function pointer was called",
        "Look at who should have set the pointer before the call in the caller's line.",
    ),
    (
        "exec_wild",
        Error,
        822,
        "An address without code was called",
        "A function pointer, a virtual table or a return address was overwritten, or its library was unloaded.",
    ),
    (
        "float_div_zero",
        Error,
        369,
        "A float was divided by zero",
        "Somebody has made floating-point errors fatal (feenableexcept).",
    ),
    (
        "float_invalid",
        Error,
        0,
        "A float operation has no result",
        "Somebody has made floating-point errors fatal (feenableexcept).",
    ),
    (
        "fortify",
        Error,
        120,
        "The C library stopped a buffer overflow",
        "A size given to a copying function is larger than its target: the frame above the library's says where.",
    ),
    (
        "glib_fatal",
        Error,
        0,
        "GLib ended the program by a fatal message",
        "The message says why; the caller logged it as an error or made warnings fatal.",
    ),
    (
        "glibc_fatal",
        Error,
        0,
        "The C library ended the program",
        "The message says what it found: it is inside of its own state that something was wrong.",
    ),
    (
        "go_panic",
        Error,
        248,
        "A Go panic that nobody recovered",
        "The message and the first own frame say what and where.",
    ),
    (
        "guard_page",
        Error,
        119,
        "A guard page was hit",
        "An access ran over the end of the block or the stack that lies before the guard.",
    ),
    (
        "heap_corruption",
        Error,
        787,
        "The heap's own records are damaged",
        "Something wrote outside of its block, perhaps long before: run the same under AddressSanitizer or valgrind.",
    ),
    (
        "hw_memory",
        Error,
        0,
        "The machine reports a memory error",
        "The hardware is broken: look at the kernel's log.",
    ),
    (
        "int_div_zero",
        Error,
        369,
        "An integer was divided by zero",
        "The divisor in the line was zero: check it before.",
    ),
    (
        "int_overflow_div",
        Error,
        190,
        "A division has a result that is too large",
        "The smallest integer divided by minus one: check for it before.",
    ),
    (
        "invalid_free",
        Error,
        763,
        "Something was freed that no allocation returned",
        "A pointer into the middle of a block, to the stack or to a static, or damage before the block.",
    ),
    (
        "killed_by_other",
        Warning,
        0,
        "Another process sent the signal",
        "The sender is named where it is known: look at why it ended this one.",
    ),
    (
        "memory_tag",
        Error,
        119,
        "A pointer's tag is not that of its memory",
        "Use after free or an overflow: the tag tells that the block has another owner by now.",
    ),
    (
        "misaligned",
        Error,
        0,
        "An access to memory was not aligned",
        "A pointer was cast from bytes: copy with memcpy instead.",
    ),
    (
        "near_null",
        Error,
        476,
        "An address near zero was accessed",
        "Most likely a member of an object by a null pointer.",
    ),
    (
        "non_canonical",
        Error,
        822,
        "An address was used that no pointer can have",
        "The pointer was overwritten by data, or read from memory that was never set.",
    ),
    (
        "not_a_crash",
        Note,
        0,
        "The process was dumped while it ran",
        "Nothing ended it: somebody asked for a core.",
    ),
    (
        "null_deref",
        Error,
        476,
        "A null pointer was followed",
        "Look at where the pointer in the line comes from, and why it was never set or already cleared.",
    ),
    (
        "protection_key",
        Error,
        0,
        "A protection key forbids the access",
        "The thread had not enabled the key of this memory.",
    ),
    (
        "resource_limit",
        Warning,
        400,
        "A limit on resources was reached",
        "Processor time (ulimit -t) or file size (ulimit -f).",
    ),
    (
        "return_corrupt",
        Error,
        121,
        "A return address was overwritten",
        "Something on the stack of this function or of one that it called was written beyond its end.",
    ),
    (
        "rust_abort",
        Error,
        0,
        "The program called std::process::abort",
        "Its caller found a state that it could not go on from.",
    ),
    ("rust_oom", Error, 789, "Memory could not be allocated", "Look at the size that was asked for."),
    (
        "rust_panic",
        Error,
        248,
        "A Rust panic ended the process",
        "The message and the first own frame say what and where.",
    ),
    (
        "sanitizer",
        Error,
        0,
        "A sanitizer found an error",
        "Its report says where the memory was allocated, freed and accessed.",
    ),
    (
        "seccomp",
        Error,
        0,
        "A filter forbids the system call",
        "Allow the call in the filter, or don't make it: newer C libraries use newer calls.",
    ),
    (
        "stack_overflow",
        Error,
        674,
        "The stack was used up",
        "Look at the frames that repeat: a recursion without end, or a very large local array.",
    ),
    (
        "stack_smash",
        Error,
        121,
        "A stack buffer was overrun",
        "The stack protector found it when the function returned: its local arrays were written beyond their end.",
    ),
    (
        "stl_assert",
        Error,
        617,
        "The standard library's check did not hold",
        "An index or an iterator out of range: the caller's line says which.",
    ),
    (
        "trap",
        Error,
        0,
        "The program ended itself by a trap",
        "A check that the compiler made, such as __builtin_trap, unreachable code or UBSan's traps.",
    ),
    (
        "use_after_free",
        Error,
        416,
        "Freed memory was used",
        "Look at who frees the object before this use: run the same under AddressSanitizer.",
    ),
    (
        "watchdog",
        Warning,
        0,
        "A watchdog ended a process that hung",
        "Look at all threads: who waits for whom, and what the main thread does.",
    ),
    (
        "wild_pointer",
        Error,
        822,
        "An address that is not mapped was accessed",
        "The pointer was overwritten, never set, or runs beyond its block.",
    ),
    (
        "write_readonly",
        Error,
        123,
        "Memory was written that may only be read",
        "A string literal, a constant, or a pointer that went wrong.",
    ),
    ("SIGABRT", Error, 0, "The process aborted", "The stack says who called abort()."),
    ("SIGBUS", Error, 0, "A bus error", "A mapped file that was cut, or a misaligned access."),
    ("SIGFPE", Error, 369, "An arithmetic error", "A division by zero, or one that overflows."),
    ("SIGILL", Error, 0, "An illegal instruction", "A trap of the compiler, or a jump into data."),
    (
        "SIGQUIT",
        Warning,
        0,
        "The process was asked to quit with a core",
        "Somebody pressed Ctrl-\\, or a watchdog sent it: look at all threads.",
    ),
    (
        "SIGSEGV",
        Error,
        119,
        "An invalid access to memory",
        "The faulting address and the registers say what was followed.",
    ),
    (
        "SIGSYS",
        Error,
        0,
        "A system call was refused",
        "A seccomp filter, or a call that this kernel doesn't have.",
    ),
    (
        "SIGTRAP",
        Error,
        0,
        "A breakpoint or a trap",
        "A trap of the compiler, or a breakpoint without a debugger.",
    ),
];

impl Rule {
    /// Returns the id of a class's rule. What is no plain word is not one of ours.
    pub(super) fn id_of(class: &str) -> String {
        let base = class.split(':').next().unwrap_or_default();
        let is_word = base.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let is_id = is_word && !base.is_empty() && base.len() <= LONGEST_ID;
        if is_id { base } else { NO_WORD }.to_owned()
    }

    /// Returns the rule of an id.
    pub(super) fn of(id: &str) -> Rule {
        match KNOWN.iter().find(|(known, ..)| *known == id) {
            Some((_, level, weakness, short, help)) => Rule {
                id: id.to_owned(),
                level: *level,
                short: (*short).to_owned(),
                help: (*help).to_owned(),
                weakness: Some(*weakness).filter(|number| *number > 0),
            },
            None => Rule {
                id: id.to_owned(),
                level: Level::Error,
                short: format!("A process crashed ({id})"),
                help: "The stack of the crashing thread says where.".to_owned(),
                weakness: None,
            },
        }
    }

    /// Returns it as SARIF has it (2.1.0, 3.49).
    pub(super) fn object(&self) -> Value {
        let mut tags = vec!["crash".to_owned(), "reliability".to_owned()];
        tags.extend(self.weakness.map(|number| format!("external/cwe/cwe-{number:03}")));
        let full = format!("{}. {}", self.short, self.help);
        json!({
            "id": self.id,
            "name": pascal_case(&self.id),
            "shortDescription": { "text": self.short },
            "fullDescription": { "text": full },
            "help": { "text": full, "markdown": format!("**{}.** {}", self.short, self.help) },
            "defaultConfiguration": { "level": self.level.name() },
            "properties": { "tags": tags, "precision": "high", "problem.severity": match self.level {
                Level::Error => "error",
                Level::Warning => "warning",
                Level::Note => "recommendation",
            } },
        })
    }
}

/// `NullDeref` of `null_deref`: how SARIF wants names.
fn pascal_case(id: &str) -> String {
    let words = id.split('_').map(|word| {
        let mut chars = word.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    });
    let name: String = words.collect();
    // A name that says no more than the id would be none.
    if name == id { format!("DiedOf{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_is_no_word_is_no_id() {
        assert_eq!(Rule::id_of("null_deref:read"), "null_deref");
        assert_eq!(Rule::id_of("sanitizer:heap-buffer-overflow"), "sanitizer");
        for hostile in ["", ":x", "::error::", "a b", "größe", &"a".repeat(61)] {
            assert_eq!(Rule::id_of(hostile), "crash", "{hostile}");
        }
    }

    #[test]
    fn every_rule_explains_itself() {
        for (id, ..) in KNOWN {
            let object = Rule::of(id).object();
            assert!(object["help"]["text"].as_str().unwrap().len() > 40, "{object:#}");
            assert_eq!(Rule::id_of(id), id);
        }
        assert_eq!(pascal_case("null_deref"), "NullDeref");
        assert_eq!(pascal_case("SIGSEGV"), "DiedOfSIGSEGV");
        assert_eq!(Rule::of("of_tomorrow").object()["name"], "OfTomorrow");
    }
}
