use super::*;
use crate::cause::{Access, AccessKind, Assertion, Cause, Confidence, Exception};
use crate::hex::Hex;
use crate::module::Module;
use crate::signal::Signal;
use crate::thread::{Frame, SymbolSource};

const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

/// A frame: `libc!abort` is a library's, anything else the program's own.
fn frame(text: &str) -> Frame {
    let (module, function) = match text.split_once('!') {
        Some((_, function)) => (1, function),
        None => (0, text),
    };
    Frame {
        function: Some(function.to_owned()).filter(|name| !name.is_empty()),
        module: Some(module),
        offset: Some(Hex(0x1000 + text.len() as u64)),
        symbol_source: Some(SymbolSource::Dwarf),
        ..Frame::default()
    }
}

fn thread(stack: &str) -> Thread {
    Thread { frames: stack.split(' ').map(frame).collect(), ..Thread::default() }
}

/// A crash of a class, with the stack of its crashing thread, innermost first.
fn crash(class: &str, signal: i32, stack: &str) -> CrashSummary {
    let mut crash = CrashSummary::new("0");
    crash.signal = Some(Signal { number: Some(signal), ..Signal::default() });
    crash.cause = Some(Cause::new(class, Confidence::High, ""));
    let module = |path: &str, main| Module { path: Some(path.to_owned()), main, ..Module::default() };
    crash.modules =
        vec![module("/jobs/app-1f2e3d4c5b6a7988", true), module("/lib/x86_64-linux-gnu/libc.so.6", false)];
    crash.threads = vec![Thread { crashed: true, tid: Some(1), ..thread(stack) }];
    crash
}

fn signed(crash: &CrashSummary) -> Signature {
    sign(crash, &Rules::default()).unwrap()
}

fn lines(crash: &CrashSummary) -> Vec<String> {
    signed(crash).frames
}

#[test]
fn a_signature_is_the_class_and_the_first_of_the_users_functions() {
    let crash = crash("assertion", SIGABRT, "libc!raise libc!abort check a b c d e main libc!start");
    let signature = signed(&crash);
    assert_eq!(signature.frames, ["assertion", "check", "a", "b", "c", "d"]);
    assert_eq!(signature.title.as_deref(), Some("assertion in check"));
    assert_eq!(signature.subject.as_deref(), Some("app"));
    assert_eq!(signature.rules.as_deref(), Some("builtin-2"));
    assert_eq!((signature.version, signature.basis), (1, Some(Basis::Dwarf)));
    // Hashes that are kept somewhere must stay what they are: a change of these is a new version.
    assert_eq!(signature.strict.as_deref(), Some("a613701da003732b"));
    assert_eq!(signature.strict, signature.phys);
    assert_eq!(signature.loose.as_deref(), Some("c14fbeec66eb6bc2"));
}

#[test]
fn what_chance_decides_is_one_class() {
    let strict = |class: &str, stack: &str| signed(&crash(class, SIGSEGV, stack)).strict;
    let null = strict("null_deref:read", "f main");
    assert_eq!(strict("null_deref:write", "f main"), null);
    assert_eq!(strict("near_null", "f main"), null);
    let wild = strict("wild_pointer", "f main");
    for class in ["non_canonical", "use_after_free", "guard_page", "write_readonly"] {
        assert_eq!(strict(class, "f main"), wild, "{class}");
    }
    assert_ne!(null, wild);
    assert_ne!(strict("exec_null", "f main"), strict("exec_wild", "f main"));
    assert_ne!(strict("double_free", "f main"), strict("invalid_free", "f main"));
    // A freed function pointer leads anywhere.
    let mut freed = crash("use_after_free", SIGSEGV, "f main");
    let access = Access { kind: Some(AccessKind::Execute), ..Access::default() };
    freed.cause.as_mut().unwrap().access = Some(access);
    assert_eq!(signed(&freed).strict, strict("exec_wild", "f main"));
}

#[test]
fn what_a_program_says_tells_crashes_of_one_function_apart() {
    let mut assertion = crash("assertion", SIGABRT, "libc!abort f main");
    let said = |expression: &str, file: &str| Assertion {
        expression: Some(expression.to_owned()),
        file: Some(file.to_owned()),
        line: Some(7),
        function: Some("f".to_owned()),
    };
    assertion.cause.as_mut().unwrap().assertion = Some(said("n > 0", "/build/1/parser.c"));
    let signature = signed(&assertion);
    assert_eq!(signature.frames, ["assertion: n > 0 (parser.c)", "f"]);
    assert_eq!(signature.title.as_deref(), Some("assertion n > 0 (parser.c) in f"));
    assertion.cause.as_mut().unwrap().assertion = Some(said("n > 0", "../2/parser.c"));
    assert_eq!(signed(&assertion).strict, signature.strict);
    assertion.cause.as_mut().unwrap().assertion = Some(said("n > 1", "parser.c"));
    assert_ne!(signed(&assertion).strict, signature.strict);

    let mut thrown = crash("cxx_exception", SIGABRT, "libc!abort f main");
    let exception = Exception { type_name: Some("std::out_of_range".to_owned()), ..Exception::default() };
    thrown.cause.as_mut().unwrap().exception = Some(exception);
    assert_eq!(lines(&thrown), ["cxx_exception: std::out_of_range", "f"]);
    thrown.cause.as_mut().unwrap().class = "cxx_exception:std::out_of_range".to_owned();
    assert_eq!(lines(&thrown), ["cxx_exception:std::out_of_range", "f"]);
}

#[test]
fn a_fault_in_the_allocator_is_told_from_one_in_its_caller() {
    assert_eq!(
        lines(&crash("wild_pointer", SIGSEGV, "libc!malloc f main")),
        ["bad_access in the allocator", "f"]
    );
    // Which functions a compiler writes out itself depends on its flags.
    assert_eq!(lines(&crash("wild_pointer", SIGSEGV, "libc!memcpy f main")), ["bad_access", "f"]);
}

#[test]
fn there_is_always_a_name() {
    assert_eq!(lines(&crash("null_deref", SIGSEGV, "main libc!start")), ["null_deref", "main"]);
    assert_eq!(lines(&crash("null_deref", SIGSEGV, "libc!puts libc!clone3")), ["null_deref", "puts"]);
    let mut nameless = crash("null_deref", SIGSEGV, "f g");
    for frame in &mut nameless.threads[0].frames {
        frame.function = None;
    }
    let signature = signed(&nameless);
    assert_eq!(signature.frames, ["null_deref", "app+0x1001"]);
    assert_eq!(signature.basis, Some(Basis::Address));
    nameless.threads[0].frames.push(frame("g"));
    assert_eq!(lines(&nameless), ["null_deref", "app!?", "g"]);
    nameless.threads[0].frames.clear();
    assert_eq!(sign(&nameless, &Rules::default()), None);
    nameless.threads.clear();
    assert_eq!(sign(&nameless, &Rules::default()), None);
}

#[test]
fn the_worst_source_of_a_name_is_the_basis() {
    let mut mixed = crash("null_deref", SIGSEGV, "f g main");
    mixed.threads[0].frames[1].symbol_source = Some(SymbolSource::Dynsym);
    assert_eq!(signed(&mixed).basis, Some(Basis::Symtab));
    mixed.threads[0].frames[1].symbol_source = Some(SymbolSource::Pclntab);
    assert_eq!(signed(&mixed).basis, Some(Basis::Dwarf));
}

#[test]
fn inlined_calls_count_but_for_the_machine_frames() {
    let mut crash = crash("null_deref", SIGSEGV, "f g main");
    crash.threads[0].frames[0].inlined = true;
    let whole = signed(&crash);
    assert_eq!(whole.frames, ["null_deref", "f", "g"]);
    crash.threads[0].frames.remove(0);
    let plain = signed(&crash);
    assert_eq!(plain.phys, whole.phys);
    assert_ne!(plain.strict, whole.strict);
}

#[test]
fn the_depth_of_a_recursion_does_not_count() {
    let stack = |depth: usize| format!("leaf {}walk run main", "visit walk ".repeat(depth));
    let of = |depth| lines(&crash("null_deref", SIGSEGV, &stack(depth)));
    assert_eq!(of(2), ["null_deref", "leaf", "visit", "walk", "run"]);
    assert_eq!(of(50), of(2));
    // Nor that its middle was left out.
    let mut cut = crash("null_deref", SIGSEGV, &stack(50));
    cut.threads[0].frames.drain(20..61);
    cut.threads[0].omitted_after = Some(19);
    assert_eq!(lines(&cut), of(2));
}

#[test]
fn a_full_stack_is_known_by_what_filled_it() {
    let stack = |inner: &str| format!("{inner} {}main", "list value parse ".repeat(60));
    let of = |inner: &str| signed(&crash("stack_overflow", SIGSEGV, &stack(inner)));
    let signature = of("libc!memset list");
    assert_eq!(signature.frames, ["stack_overflow", "list", "parse", "value"]);
    assert_eq!(of("parse").strict, signature.strict);
    assert_eq!(of("value parse").exact, signature.exact);
    assert_eq!(signature.title.as_deref(), Some("stack_overflow in list, parse, value"));
}

#[test]
fn a_hang_is_made_of_what_all_threads_stood_in() {
    let hung = |stacks: &[&str]| {
        let mut crash = crash("watchdog", SIGABRT, stacks[0]);
        crash.threads.extend(
            stacks[1..].iter().zip(2..).map(|(stack, tid)| Thread { tid: Some(tid), ..thread(stack) }),
        );
        crash
    };
    let one = hung(&["libc!poll serve main", "libc!wait work pool", "libc!wait work pool"]);
    assert!(needs_all_threads(&one));
    assert_eq!(lines(&one), ["hang", "serve", "work < pool"]);
    // Their order and number are chance; a core of a living process shows the same.
    let other = CrashSummary {
        cause: Some(Cause::new("not_a_crash", Confidence::High, "")),
        ..hung(&["libc!wait work pool", "libc!poll serve main"])
    };
    assert_eq!(signed(&other).strict, signed(&one).strict);
    // In a deadlock, what the others did is chance too.
    let mut locked = hung(&["libc!poll serve main", "libc!lock first a", "libc!lock second b", "x y"]);
    locked.deadlocks = vec![vec![2, 3]];
    assert_eq!(lines(&locked), ["deadlock", "first < a", "second < b"]);
    // Threads without own code are told of only where there are no others.
    assert_eq!(lines(&hung(&["libc!poll", "libc!wait work"])), ["hang", "work"]);
    assert_eq!(lines(&hung(&["libc!poll", "libc!wait"])), ["hang", "poll"]);
}

#[test]
fn a_fault_behind_a_handler_is_told_of_what_it_interrupted() {
    let mut crash = crash("null_deref:write", SIGABRT, "libc!abort on_segv trampoline touch run main");
    crash.threads[0].frames[2].function = Some(view::SIGNAL_FRAME.to_owned());
    crash.signal.as_mut().unwrap().after =
        Some(Box::new(Signal { number: Some(SIGSEGV), ..Signal::default() }));
    assert_eq!(lines(&crash), ["null_deref", "touch", "run"]);
    let blamed = crash.blamed_frame(&crash.threads[0]);
    assert_eq!(blamed.and_then(|frame| frame.function.as_deref()), Some("abort"), "nothing was judged");
    for frame in &mut crash.threads[0].frames {
        frame.in_app = Some(frame.module == Some(0));
    }
    let blamed = crash.blamed_frame(&crash.threads[0]);
    assert_eq!(blamed.and_then(|frame| frame.function.as_deref()), Some("touch"));
}

#[test]
fn titles_are_short_and_one_line() {
    let long = crash("assertion", SIGABRT, &format!("libc!abort {}\n main", "x".repeat(300)));
    let title = signed(&long).title.unwrap();
    assert_eq!(title.chars().count(), 160);
    assert!(title.ends_with('…') && !title.contains('\n'));
}

#[test]
fn lines_cannot_be_made_to_look_like_others() {
    let strict = |stack: &str| signed(&crash("null_deref", SIGSEGV, stack)).strict;
    assert_ne!(strict("a\nb main"), strict("a b main"));
}

#[test]
fn a_crash_that_is_meant_to_happen_is_known() {
    let ignores = |text: &str| {
        let rules = Rules::with(crate::Settings::parse(text).unwrap());
        let mut crash = crash("assertion", SIGABRT, "libc!abort check run main");
        crash.signature = sign(&crash, &rules);
        rules.ignores(&crash).map(|ignore| ignore.reason.clone())
    };
    let one = |pattern: &str| ignores(&format!("[[ignore]]\n{pattern}\nreason = \"meant\""));
    for pattern in
        ["class = \"assert*\"", "function = \"run\"", "subject = \"app\"", "title = \"* in check\""]
    {
        assert_eq!(one(pattern).as_deref(), Some("meant"), "{pattern}");
    }
    for pattern in [
        "class = \"assert\"",
        "function = \"assertion\"",
        "test = \"a\"",
        "class = \"assertion\"\nsubject = \"b\"",
    ] {
        assert_eq!(one(pattern), None, "{pattern}");
    }
}
