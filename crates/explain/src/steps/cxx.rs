//! Ends that the C++ runtime brings about (`std::terminate`): exceptions that nobody caught, and what is called without
//! one.

use epitaph_summary::{Cause, Confidence, Exception, MessageSource};

use super::abort;
use crate::names::Names;
use crate::peek::Peek;
use crate::runtime::cxx_thrown::{self, Thrown};
use crate::runtime::cxx_type;
use crate::runtime::cxx_what::{self, What};
use crate::scene::Scene;
use crate::sentence::sentence;

/// What ends a C++ program, of either library.
const TERMINATE: [&str; 12] = [
    "std::terminate",
    "std::__terminate",
    "__cxxabiv1::__terminate",
    "__gnu_cxx::__verbose_terminate_handler",
    "demangling_terminate_handler*",
    "__clang_call_terminate",
    "__cxa_call_terminate",
    "__gxx_personality_v0",
    "__cxa_throw",
    "__cxa_rethrow",
    "__cxa_pure_virtual",
    "__cxa_deleted_virtual",
];

/// What ends it because an exception is thrown where none may leave.
const NO_EXCEPT: [&str; 4] =
    ["__cxa_call_terminate", "__clang_call_terminate", "__gxx_personality_v0", "__cxa_call_unexpected"];

/// What ends it without an exception: the kind, functions on the stack, and the sentence.
const WITHOUT: [(&str, &[&str], &str); 4] = [
    ("pure_virtual", &["__cxa_pure_virtual"], "a pure virtual function was called"),
    ("deleted_virtual", &["__cxa_deleted_virtual"], "a deleted virtual function was called"),
    (
        "joinable_thread",
        &["std::thread::~thread", "std::__1::thread::~thread", "std::thread::operator="],
        "a std::thread was destroyed that was neither joined nor detached",
    ),
    ("rethrow", &["__cxa_rethrow"], "throw; without an exception that is being handled"),
];

/// The header of libstdc++ in which nothing but a thread's destructor and its assignment calls std::terminate. Compilers
/// may leave of them no more than the call's place.
const THREAD_HEADER: &str = "/bits/std_thread.h";

/// Recognizes them by the runtime's frames, and by the exception that the thread handles.
pub(super) fn find(scene: &Scene<'_>, _: &[Cause]) -> Option<Cause> {
    if !abort::is_own(scene) {
        return None;
    }
    let names = Names::new(scene.frames());
    let terminate = names.find_last(&TERMINATE);
    if terminate.is_none() && !names.are_unknown() {
        return None;
    }
    let rethrow = names.has(&["__cxa_rethrow"]);
    let without = WITHOUT.iter().find(|(kind, functions, _)| *kind != "rethrow" && names.has(functions));
    if let Some((kind, _, summary)) = without {
        return Some(without_exception(kind, summary));
    }
    let peek = Peek::new(scene);
    if let Some(found) = Found::of(scene, peek, names, terminate) {
        return Some(uncaught(scene, peek, names, &found));
    }
    terminate?;
    if names.has(&["__cxa_throw"]) || names.has(&NO_EXCEPT) {
        let cause =
            Cause::new("cxx_exception", Confidence::Medium, "an uncaught C++ exception of unknown type");
        return Some(Cause { exception: Some(cxx(None, None)), ..cause });
    }
    let caller = terminate.and_then(|terminate| scene.frames().get(terminate + 1));
    let in_thread =
        caller.and_then(|frame| frame.file.as_ref()).is_some_and(|file| file.ends_with(THREAD_HEADER));
    let meant = |kind: &str| (rethrow && kind == "rethrow") || (in_thread && kind == "joinable_thread");
    match WITHOUT.iter().find(|(kind, ..)| meant(kind)) {
        Some((kind, _, summary)) => Some(without_exception(kind, summary)),
        None => Some(without_exception("terminate", "std::terminate() was called without an exception")),
    }
}

/// An exception that was found.
struct Found {
    thrown: Thrown,
    confidence: Confidence,
    /// How it was found.
    evidence: &'static str,
}

impl Found {
    /// Finds the exception that ended the program.
    fn of(scene: &Scene<'_>, peek: Peek<'_>, names: Names<'_>, terminate: Option<usize>) -> Option<Found> {
        let process = scene.process;
        let thread_pointer = process.threads.first().and_then(|thread| thread.tls);
        let caught = thread_pointer.and_then(|pointer| cxx_thrown::caught(peek, process.arch.name, pointer));
        if let Some(thrown) = caught {
            let confidence = if terminate.is_some() { Confidence::High } else { Confidence::Medium };
            let evidence = "the C++ runtime still holds the exception, as one that is being handled";
            return Some(Found { thrown, confidence, evidence });
        }
        let sp = scene.fault.as_ref()?.registers.get(process.arch.sp)?;
        let thrown = cxx_thrown::on_stack(peek, sp, names.end_of(terminate?)?)?;
        let evidence = "the frames that end the program still lead to the exception";
        Some(Found { thrown, confidence: Confidence::Medium, evidence })
    }
}

/// Makes the cause of an exception that nobody caught.
fn uncaught(scene: &Scene<'_>, peek: Peek<'_>, names: Names<'_>, found: &Found) -> Cause {
    let Found { thrown, confidence, evidence } = *found;
    let mangled = cxx_type::mangled_name(peek, thrown.type_info).unwrap_or_default();
    let name = cxx_type::spelled(&mangled);
    let what = cxx_what::what(peek, scene.process.arch, thrown);
    let class = match mangled.as_str() {
        "St9bad_alloc" => "cxx_bad_alloc".to_owned(),
        _ => format!("cxx_exception:{}", cxx_type::class(&name)),
    };
    let text = what.as_ref().map(|what| what.text.clone());
    let summary = match &text {
        Some(_) if mangled == "St9bad_alloc" => "out of memory: uncaught std::bad_alloc".to_owned(),
        Some(text) => format!("uncaught {name}: {text}"),
        None => format!("uncaught exception of type {name}"),
    };
    let mut evidence = vec![evidence.to_owned()];
    if names.has(&NO_EXCEPT) {
        evidence.push("it left a function that is noexcept, or a destructor".to_owned());
    }
    if thrown.nested > 0 {
        evidence.push(format!("{} other exceptions were being handled when it was thrown", thrown.nested));
    }
    if let Some(What { guess: Some(guess), .. }) = &what {
        evidence.push(guess.clone());
    }
    Cause {
        message: text.clone(),
        message_source: text.as_ref().map(|_| MessageSource::CxxException),
        exception: Some(cxx(Some(name), text)),
        evidence,
        ..Cause::new(class, confidence, sentence(&summary))
    }
}

fn without_exception(kind: &str, summary: &str) -> Cause {
    Cause::new(format!("cxx_no_exception:{kind}"), Confidence::High, summary)
}

fn cxx(type_name: Option<String>, what: Option<String>) -> Exception {
    Exception { type_name, what, language: Some("c++".to_owned()) }
}
