//! Why a difference between epitaph and gdb isn't a mistake of ours: a few causes, each with its evidence.

use epitaph_testkit::gdb::What;

use crate::evidence::Evidence;

/// A cause of differences.
pub(super) struct Rule {
    pub(super) name: &'static str,
    /// Who is right, and why.
    pub(super) why: &'static str,
    /// Tells whether there is evidence that a difference has this cause.
    pub(super) applies: fn(&Evidence<'_>) -> bool,
}

pub(super) const RULES: [Rule; 9] = [
    Rule {
        name: "breakpoint",
        why: "we are right: the program stopped at the breakpoint, of which addr2line says what we say, and the program \
              counter is behind it; gdb shows the next instruction's line",
        applies: |evidence| {
            matches!(evidence.what(), What::File | What::Line | What::Function | What::Inlined)
                && evidence.is_behind_breakpoint()
                && evidence.line_table_agrees_with_us()
        },
    },
    Rule {
        name: "statement rows",
        why: "gdb is wrong: it reads only the rows of a line table that are marked as statements; addr2line and \
              objdump, which read them all, say what we say",
        applies: |evidence| {
            matches!(evidence.what(), What::File | What::Line) && evidence.line_table_agrees_with_us()
        },
    },
    Rule {
        name: "line 0",
        why: "we are right: the code there belongs to no line, or to several, and the line table says so; gdb takes \
              the row before it",
        applies: |evidence| evidence.what() == What::Line && evidence.row_has_no_line(),
    },
    Rule {
        name: "two symbols",
        why: "both right: the symbol table has two functions at this address",
        applies: |evidence| evidence.what() == What::Function && evidence.is_alias(),
    },
    Rule {
        name: "a variable's name",
        why: "we are right: the program jumped into data, and gdb gives a variable's name for a function's",
        applies: |evidence| evidence.what() == What::Function && evidence.is_variable(),
    },
    Rule {
        name: "tail call seen in the code",
        why: "we know more: gdb infers the functions that left by a jump from call sites in debug information alone",
        applies: |evidence| evidence.what() == What::TailCall,
    },
    Rule {
        name: "mangled name",
        why: "we are right: gdb's demangler gives up on the name, and shows it as it is",
        applies: |evidence| {
            let (ours, theirs) = (evidence.our_name(), evidence.gdbs_name());
            evidence.what() == What::Function && theirs.starts_with("_Z") && !ours.starts_with("_Z")
        },
    },
    Rule {
        name: "inlined calls",
        why: "gdb is wrong: it shows the function of the symbol table alone, and addr2line finds the same inlined \
              calls as we",
        applies: |evidence| evidence.what() == What::Inlined && evidence.addr2line_knows_the_inlined_calls(),
    },
    Rule {
        name: "no return address",
        why: "gdb is wrong: where there is no unwind information it takes words off the stack, and this one isn't \
              where a call returns to",
        applies: |evidence| {
            matches!(evidence.what(), What::Missing | What::Pc) && !evidence.gdbs_pc_is_a_return_address()
        },
    },
];
