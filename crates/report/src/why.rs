//! Why it died, beneath the headline: what the program said, the instruction that failed, the memory around its address, the
//! fault before a handler's abort, and what it was concluded from.
//!
//! ```text
//!   instruction  mov eax,[rdi+0x148], where rdi = 0x0
//!   access       read of 4 bytes at 0x148 (rdi + 0x148)
//!   evidence     - the address is within the first page
//! ```

use epitaph_summary::{Access, AccessKind, Assertion, Cause, CrashSummary, Hex, Instruction, Panic};

use crate::escape::{brief, shortened};
use crate::headline::{cause_sentence, signal_name, why};
use crate::line::{Line, Style};
use crate::memory_map;
use crate::place::{blamed_frame, main_thread};
use crate::quantity::plural;

/// The most lines of a message.
const MESSAGE_LINES: usize = 20;

/// The most characters of a line of a message, and of any other text here.
const TEXT_LIMIT: usize = 500;

/// The most sentences of evidence, and of other causes.
const MOST_SENTENCES: usize = 4;

/// The most registers of an instruction.
const MOST_REGISTERS: usize = 4;

/// What begins a line of a message, and a sentence of several: marks of text, for formats that have others.
pub(crate) const MARKS: [&str; 2] = ["| ", "- "];

/// The label of the map of the memory around the address.
pub(crate) const MEMORY: &str = "memory";

/// The label of what the program said.
pub(crate) const MESSAGE: &str = "message";

/// What is told beneath one label.
pub(crate) struct Point {
    /// One or two words of ours.
    pub(crate) label: &'static str,
    /// Lines that begin with a word or a sign of ours.
    pub(crate) lines: Vec<Line>,
}

/// Returns what there is to tell, in the order to tell it.
pub(crate) fn points(summary: &CrashSummary) -> Vec<Point> {
    let mut points = Vec::new();
    let mut add = |label, lines: Vec<Line>| {
        if !lines.is_empty() {
            points.push(Point { label, lines });
        }
    };
    if let Some(cause) = &summary.cause {
        add(MESSAGE, message(cause));
        add(
            "panicked",
            cause.panic.as_ref().and_then(|panic| panicked(summary, panic)).into_iter().collect(),
        );
        add("asserted", cause.assertion.as_ref().and_then(|it| asserted(summary, it)).into_iter().collect());
        let instruction = cause.instruction.as_ref();
        add("instruction", instruction.and_then(|it| executed(summary, cause, it)).into_iter().collect());
        add("access", cause.access.as_ref().and_then(accessed).into_iter().collect());
        add(MEMORY, cause.access.as_ref().map(|it| memory_map::lines(summary, it)).unwrap_or_default());
    }
    add("before", before(summary).into_iter().collect());
    if let Some(cause) = &summary.cause {
        add(
            "evidence",
            sentences(cause.evidence.iter().filter(|text| !is_told(cause, text)).map(|text| short(text))),
        );
    }
    add("also", sentences(summary.other_causes.iter().filter_map(other)));
    points
}

/// Returns a text, clean and bounded.
fn short(text: &str) -> String {
    brief(text, TEXT_LIMIT)
}

/// What the program said, unless the headline has all of it.
fn message(cause: &Cause) -> Vec<Line> {
    let what = || cause.exception.as_ref().and_then(|exception| exception.what.as_deref());
    let Some(text) = cause.message.as_deref().or_else(what) else { return Vec::new() };
    let text = text.trim_end();
    if text.is_empty() || cause.summary.as_deref().is_some_and(|sentence| sentence.contains(text)) {
        return Vec::new();
    }
    let said = |line: &str| Line::default().with(Style::Faint, "| ").with(Style::Strong, short(line));
    let mut lines: Vec<Line> = text.lines().take(MESSAGE_LINES).map(said).collect();
    let more = text.lines().skip(MESSAGE_LINES).count();
    lines.extend((more > 0).then(|| {
        let more = plural(more as u64, "more line");
        Line::default().with(Style::Faint, format!("... {more} ..."))
    }));
    lines
}

/// Where it panicked, unless that is where the blamed frame is.
fn panicked(summary: &CrashSummary, panic: &Panic) -> Option<Line> {
    let place = place(summary, panic.file.as_deref(), panic.line, panic.column);
    let thread = panic.thread.as_deref().map(|name| format!("in thread \"{}\"", short(name)));
    let parts: Vec<String> =
        [place.map(|place| format!("at {place}")), thread].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| Line::plain(parts.join(", ")))
}

/// Where the assertion stands, unless that is where the blamed frame is.
fn asserted(summary: &CrashSummary, assertion: &Assertion) -> Option<Line> {
    let place = place(summary, assertion.file.as_deref(), assertion.line, None)?;
    let function = assertion.function.as_deref().map(|name| format!("in {} ", short(name)));
    Some(Line::plain(format!("{}at {place}", function.unwrap_or_default())))
}

/// Returns `file:line:column`; `None` where the frame that is blamed says the same.
fn place(
    summary: &CrashSummary,
    file: Option<&str>,
    line: Option<u32>,
    column: Option<u32>,
) -> Option<String> {
    let file = file.filter(|file| !file.is_empty())?;
    let (_, thread) = main_thread(summary)?;
    let blamed = blamed_frame(summary, thread).and_then(|index| thread.frames.get(index));
    let same_file = |theirs: &str| theirs.ends_with(file) || file.ends_with(theirs);
    if blamed.is_some_and(|frame| frame.line == line && frame.file.as_deref().is_some_and(same_file)) {
        return None;
    }
    let numbers = [line, column].into_iter().map_while(|number| number).map(|number| number.to_string());
    Some([short(file)].into_iter().chain(numbers).collect::<Vec<_>>().join(":"))
}

/// The instruction, with what the registers held that it reads.
fn executed(summary: &CrashSummary, cause: &Cause, instruction: &Instruction) -> Option<Line> {
    let text = instruction.text.as_deref().filter(|text| !text.is_empty()).map(short);
    let bytes = || instruction.bytes.as_deref().map(|bytes| format!("the bytes {}", short(bytes)));
    let (_, thread) = main_thread(summary)?;
    // The summary's registers are those of the innermost frame, which need not be the one that failed.
    let at = instruction.address.or_else(|| thread.frames.first()?.pc);
    let theirs = thread.frames.first().is_some_and(|frame| frame.pc.is_some() && frame.pc == at);
    let base = cause.access.as_ref().and_then(|access| access.base_register.as_ref().zip(access.base_value));
    let value = |name: &String| -> Option<Hex> {
        let of_base = base.filter(|(register, _)| *register == name).map(|(_, value)| value);
        of_base.or_else(|| thread.registers.get(name).copied().filter(|_| theirs))
    };
    let named = instruction.registers.iter().take(MOST_REGISTERS);
    let held: Vec<String> =
        named.filter_map(|name| Some(format!("{} = {}", short(name), value(name)?))).collect();
    let held = if held.is_empty() { String::new() } else { format!(", where {}", held.join(", ")) };
    Some(Line::default().with(Style::Strong, text.or_else(bytes)?).with(Style::Plain, held))
}

/// `read of 4 bytes at 0x148 (rdi + 0x148)`.
fn accessed(access: &Access) -> Option<Line> {
    let address = access.address?;
    let kind = match access.kind {
        Some(AccessKind::Read) => "read",
        Some(AccessKind::Write) => "write",
        Some(AccessKind::Execute) => "execution",
        _ => "access",
    };
    let size = access.size.filter(|_| access.kind != Some(AccessKind::Execute));
    let size = size.map(|size| format!(" of {}", plural(u64::from(size), "byte"))).unwrap_or_default();
    let base = access.base_register.as_deref().map(short).map(|register| match access.offset {
        None | Some(0) => format!(" ({register})"),
        Some(offset) => {
            let sign = if offset < 0 { '-' } else { '+' };
            format!(" ({register} {sign} {})", Hex(offset.unsigned_abs()))
        }
    });
    Some(Line::plain(format!("{kind}{size} at {address}{}", base.unwrap_or_default())))
}

/// The fault before the signal that ended it.
fn before(summary: &CrashSummary) -> Option<Line> {
    let signal = summary.signal.as_ref()?;
    let first = signal.after.as_deref()?;
    let name = signal_name(first)?;
    let why = why(first).map(|why| format!(": {}", shortened(&why, TEXT_LIMIT))).unwrap_or_default();
    let then = signal_name(signal).map(|name| format!("; then {name} ended it")).unwrap_or_default();
    Some(Line::plain(format!("{name}{why}{then}")))
}

/// Tells whether evidence says no more than the lines on instruction and access.
fn is_told(cause: &Cause, evidence: &str) -> bool {
    let text = cause.instruction.as_ref().and_then(|instruction| instruction.text.as_deref());
    let of_instruction = |text: &str| evidence.starts_with(&format!("`{text}` "));
    cause.access.is_some() && text.is_some_and(of_instruction)
}

/// Another cause's sentence.
fn other(cause: &Cause) -> Option<String> {
    let sentence = cause_sentence(cause)?;
    let message = cause.message.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let message = message.filter(|text| !sentence.contains(text));
    Some(match message {
        Some(text) => format!("{sentence}: {}", short(text)),
        None => sentence,
    })
}

/// The first of some sentences, a line each.
fn sentences(all: impl Iterator<Item = String>) -> Vec<Line> {
    let mut all = all.filter(|sentence| !sentence.is_empty());
    let mark = |text| Line::default().with(Style::Faint, "- ").with(Style::Plain, text);
    let mut lines: Vec<Line> = all.by_ref().take(MOST_SENTENCES).map(mark).collect();
    let more = all.count();
    lines.extend((more > 0).then(|| Line::default().with(Style::Faint, format!("... {more} more ..."))));
    lines
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Confidence, Frame};

    use super::*;
    use crate::fixtures;

    fn told(summary: &CrashSummary, label: &str) -> Vec<String> {
        let point = points(summary).into_iter().find(|point| point.label == label);
        point.map(|point| point.lines.iter().map(Line::text).collect()).unwrap_or_default()
    }

    fn with_message(sentence: &str, message: &str) -> CrashSummary {
        let mut summary = CrashSummary::new("0");
        let cause = Cause::new("x", Confidence::High, sentence);
        summary.cause = Some(Cause { message: Some(message.to_owned()), ..cause });
        summary
    }

    #[test]
    fn a_message_keeps_its_lines_and_is_not_said_twice() {
        assert_eq!(
            told(&with_message("sentence", "one\n  two\u{1b}\n"), "message"),
            ["| one", "|   two\\x1b"]
        );
        assert!(told(&with_message("Rust panic: boom", "boom\n"), "message").is_empty());
        let many = told(&with_message("sentence", &"line\n".repeat(30)), "message");
        assert_eq!((many.len(), many[20].as_str()), (21, "... 10 more lines ..."));
    }

    #[test]
    fn registers_are_shown_only_of_the_instruction_that_failed() {
        let mut summary = fixtures::wild_write();
        // Of the handler's frame, only the base is known: the access tells it.
        assert_eq!(told(&summary, "instruction"), ["mov [rdi+0x10],rax, where rdi = 0x7f31a0041000"]);
        let at = summary.cause.as_ref().unwrap().instruction.as_ref().unwrap().address;
        summary.threads[0].frames[0].pc = at;
        assert_eq!(
            told(&summary, "instruction"),
            ["mov [rdi+0x10],rax, where rax = 0x7, rdi = 0x7f31a0041000"]
        );
        summary.cause.as_mut().unwrap().instruction.as_mut().unwrap().text = None;
        assert!(told(&summary, "instruction")[0].starts_with("the bytes 48894710, where "));
    }

    #[test]
    fn an_access_says_how_its_address_came_about() {
        let access = |offset: i64| Access {
            kind: Some(AccessKind::Read),
            address: Some(Hex(0x18)),
            size: Some(1),
            base_register: Some("rdi".into()),
            offset: Some(offset),
            ..Access::default()
        };
        let text = |access: &Access| accessed(access).unwrap().text();
        assert_eq!(text(&access(8)), "read of 1 byte at 0x18 (rdi + 0x8)");
        assert_eq!(text(&access(-8)), "read of 1 byte at 0x18 (rdi - 0x8)");
        assert_eq!(text(&access(i64::MIN)), "read of 1 byte at 0x18 (rdi - 0x8000000000000000)");
        let bare = Access { address: Some(Hex(0x18)), ..Access::default() };
        assert_eq!(text(&bare), "access at 0x18");
        assert!(accessed(&Access::default()).is_none());
    }

    #[test]
    fn a_place_is_told_where_the_frames_do_not_tell_it() {
        let mut summary = fixtures::assertion();
        assert!(told(&summary, "asserted").is_empty());
        summary.threads[0].frames[5] =
            Frame { file: None, line: None, ..summary.threads[0].frames[5].clone() };
        assert_eq!(told(&summary, "asserted"), ["in queue_pop at src/queue.c:57"]);
    }

    #[test]
    fn evidence_repeats_no_instruction_and_ends_somewhere() {
        let mut summary = fixtures::wild_write();
        let cause = summary.cause.as_mut().unwrap();
        cause.evidence = vec!["`mov [rdi+0x10],rax` writes 8 bytes".to_owned(), "`mov` is not it".to_owned()];
        cause.evidence.extend((0..5).map(|number| format!("sentence {number}")));
        let lines = told(&summary, "evidence");
        assert_eq!(lines.len(), 5);
        assert_eq!((lines[0].as_str(), lines[4].as_str()), ("- `mov` is not it", "... 2 more ..."));
    }

    #[test]
    fn other_causes_are_told_with_their_doubts() {
        let summary = fixtures::wild_write();
        let also = told(&summary, "also");
        assert_eq!(also, ["- perhaps the handler called abort() with a message: arena exhausted"]);
        let before = told(&summary, "before");
        assert_eq!(before, ["SIGSEGV: write to unmapped address 0x7f31a0041010; then SIGABRT ended it"]);
    }
}
