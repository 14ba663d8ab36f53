//! Ends that musl brings about. It keeps no last words: what it printed may be left on the stack, and where it prints nothing,
//! it executes an instruction that no program may (`a_crash`, on x86 `hlt`).

use epitaph_elf::signals::SIGSEGV;
use epitaph_elf::{I386, X86_64};
use epitaph_summary::{Assertion, Cause, Confidence, MessageSource};

use super::abort::{self, Caller};
use super::glibc;
use crate::names::Names;
use crate::peek::Peek;
use crate::remnant::Remnant;
use crate::runtime::abort_msg::LIBC;
use crate::runtime::globals::{has_module, is_named};
use crate::scene::Scene;

/// The instruction `hlt`.
const HLT: u64 = 0xf4;
/// File names of musl: its loader is the library.
const MUSL: [&str; 2] = ["ld-musl-", "libc.so"];
/// glibc's, which begins like musl's.
const GLIBC: [&str; 1] = ["libc.so."];
/// Functions of the heap that check its records.
const HEAP: [&str; 10] = [
    "get_meta",
    "free",
    "__libc_free",
    "malloc",
    "__libc_malloc*",
    "realloc",
    "__libc_realloc",
    "malloc_usable_size",
    "unbin",
    "bin_chunk",
];

/// Recognizes them.
pub(super) fn find(scene: &Scene<'_>, _: &[Cause]) -> Option<Cause> {
    if abort::is_own(scene) { failed_assertion(scene) } else { crash(scene) }
}

/// Recognizes a failed assertion by its function or, where nothing has a name, by what was printed.
fn failed_assertion(scene: &Scene<'_>) -> Option<Cause> {
    const MARK: &str = "Assertion failed: ";
    let names = Names::new(scene.frames());
    let function = names.find(&["__assert_fail"]);
    let nameless = abort::caller(scene, names) == Caller::Unknown;
    if has_module(scene.loaded, &LIBC) || (function.is_none() && !nameless) {
        return None;
    }
    let sp = scene.fault.as_ref()?.registers.get(scene.process.arch.sp)?;
    let end = function.and_then(|index| names.end_of(index)).unwrap_or(sp);
    let (message, assertion) =
        Remnant::read(Peek::new(scene), sp, end).texts_with(MARK).find_map(|text| {
            let (line, _) = text.get(text.find(MARK)?..)?.split_once('\n')?;
            Some((line.to_owned(), parse(line.strip_prefix(MARK)?)?))
        })?;
    let sure = if nameless { Confidence::Medium } else { Confidence::High };
    Some(Cause {
        message: Some(message),
        message_source: Some(MessageSource::Remnant),
        evidence: vec!["what the C library printed is left on the stack".to_owned()],
        ..glibc::failed_assertion(assertion, sure)
    })
}

/// Takes the words of `assert` apart (`src/exit/assert.c`): `EXPRESSION (FILE: FUNCTION: LINE)`.
fn parse(said: &str) -> Option<Assertion> {
    let (expression, place) = said.strip_suffix(')')?.rsplit_once(" (")?;
    let (rest, line) = place.rsplit_once(": ")?;
    let (file, function) = rest.split_once(": ")?;
    Some(Assertion {
        expression: Some(expression.to_owned()),
        file: Some(file.to_owned()),
        line: Some(line.parse().ok()?),
        function: Some(function.to_owned()),
    })
}

/// Recognizes `a_crash` by its instruction, and by the function that it is in.
fn crash(scene: &Scene<'_>) -> Option<Cause> {
    let (fault, arch) = (scene.fault.as_ref()?, scene.process.arch);
    let pc = fault.registers.get(arch.pc)?;
    let is_x86 = *arch == X86_64 || *arch == I386;
    if !is_x86 || fault.signal.number != SIGSEGV || Peek::new(scene).number(pc, 1) != Some(HLT) {
        return None;
    }
    let names = Names::new(scene.frames());
    let module = scene.loaded.find(pc)?;
    let in_musl = is_named(scene.loaded, module, &MUSL) && !is_named(scene.loaded, module, &GLIBC);
    let function = names.frames().first()?.function.as_deref();
    let evidence = vec!["musl ended the program by its hlt instruction".to_owned()];
    let cause = if names.find(&["__stack_chk_fail"]) == Some(0) {
        let summary = "a function wrote past the end of its variables on the stack";
        Cause::new("stack_smash", Confidence::High, summary)
    } else if names.find(&HEAP) == Some(0) {
        Cause::new(
            "heap_corruption",
            Confidence::High,
            "the heap's own records were overwritten, or a block was freed twice",
        )
    } else if in_musl && function.is_none() {
        Cause::new(
            "heap_corruption",
            Confidence::Medium,
            "the C library found a fatal error, most likely in the heap's records",
        )
    } else {
        return None;
    };
    Some(Cause { evidence, ..cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assertions_are_taken_apart() {
        let assertion = parse("f(a) (b) > 0 (src/a.c: check: 12)").unwrap();
        assert_eq!(assertion.expression.as_deref(), Some("f(a) (b) > 0"));
        assert_eq!((assertion.file.as_deref(), assertion.line), (Some("src/a.c"), Some(12)));
        assert_eq!(assertion.function.as_deref(), Some("check"));
        assert_eq!(parse("n > 5"), None);
    }
}
