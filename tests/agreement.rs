//! Where a summary of ours and gdb's answer about the same core differ.

use epitaph_testkit::gdb::{self, Difference, Frame, Oracle, Stack};
use serde_json::Value;

/// Something that the two don't agree on.
pub(crate) enum Disagreement {
    /// A thread of one side that the other doesn't have, or which thread crashed.
    Threads(String),
    /// A frame of this thread.
    Frame(u64, Box<Difference>),
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Disagreement::Threads(what) => write!(f, "{what}"),
            Disagreement::Frame(tid, difference) => write!(f, "thread {tid} {difference}"),
        }
    }
}

/// Compares all threads.
pub(crate) fn disagreements(summary: &Value, oracle: &Oracle) -> Vec<Disagreement> {
    let threads = summary["threads"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut found = Vec::new();
    let mut odd = |what: String| found.push(Disagreement::Threads(what));
    if threads.len() != oracle.threads.len() {
        odd(format!("{} threads, gdb has {}", threads.len(), oracle.threads.len()));
    }
    let crashed: Vec<bool> = threads.iter().map(|thread| thread["crashed"] == Value::Bool(true)).collect();
    if crashed.first() != Some(&true) || crashed[1..].contains(&true) {
        odd(format!("the crashed thread is not the first one, alone: {crashed:?}"));
    }
    if threads.first().and_then(|thread| thread["tid"].as_u64()) != oracle.crashed.map(u64::from) {
        odd(format!("crashed thread {}, gdb says {:?}", threads[0]["tid"], oracle.crashed));
    }
    for theirs in &oracle.threads {
        let Some(ours) = threads.iter().find(|thread| thread["tid"] == theirs.tid) else {
            found.push(Disagreement::Threads(format!("no thread {}", theirs.tid)));
            continue;
        };
        let wrong = gdb::compare(&stack_of(ours), &theirs.stack);
        found.extend(wrong.into_iter().map(|one| Disagreement::Frame(theirs.tid.into(), Box::new(one))));
    }
    found
}

/// The frames of one thread of a summary, up to where some were left out.
pub(crate) fn stack_of(thread: &Value) -> Stack {
    let all = thread["frames"].as_array().map(Vec::as_slice).unwrap_or_default();
    let total = thread["frames_total"].as_u64().unwrap_or(all.len() as u64);
    let before_gap = thread["omitted_after"].as_u64().map_or(all.len(), |last| last as usize + 1);
    let frames: Vec<Frame> = all.iter().take(before_gap).map(frame).collect();
    Stack { cut: (frames.len() as u64) < total, frames, ..Stack::default() }
}

fn frame(json: &Value) -> Frame {
    let text = |key: &str| json[key].as_str().map(str::to_owned);
    let pc = json["pc"].as_str().and_then(|pc| u64::from_str_radix(pc.trim_start_matches("0x"), 16).ok());
    Frame {
        function: text("function"),
        file: text("file"),
        line: json["line"].as_u64().map(|line| line as u32),
        inlined: json["inlined"] == Value::Bool(true),
        tail_call: json["trust"] == "tail_call",
        pc: pc.expect("a frame has a pc"),
        ..Frame::default()
    }
}

/// Tells whether the names of `chain` are among the stack's functions, in that order.
pub(crate) fn shows(stack: &Stack, chain: &[impl AsRef<str>]) -> bool {
    let mut functions = stack.frames.iter().filter_map(|frame| frame.function.as_deref());
    chain.iter().all(|name| functions.any(|function| gdb::same_function(function, name.as_ref())))
}
