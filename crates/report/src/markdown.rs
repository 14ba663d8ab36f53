//! Markdown for job summaries, annotations and comments, never larger than its budget.
//!
//! Where it can't hold everything, the most important comes first: every crash's headline, then what it was concluded from
//! with the crashing stacks, then the facts, then other threads and the rest, each crash with its fair share of what is left. A last
//! line says what was cut. Crash text stands in code, or is escaped where it doesn't.

use std::io;

use epitaph_summary::CrashSummary;

use crate::escape::{clean, code_span, fence, markdown, shortened};
use crate::facts::{OUTPUT_TAIL, facts, output_tail};
use crate::frames::Location;
use crate::headline::Headline;
use crate::line::Line;
use crate::modules;
use crate::options::Options;
use crate::place::Place;
use crate::quantity::{grouped, plural};
use crate::text;
use crate::threads::Others;
use crate::waits::Waits;

/// The most characters of each crash text in a headline, so that one hostile name can't use up the budget.
const HEADLINE_LIMIT: usize = 300;

/// The most characters of a line in a block that has to be cut, for the same reason.
const LINE_LIMIT: usize = 1000;

/// Writes the summaries within the budget of `options`.
pub(crate) fn render(
    summaries: &[CrashSummary],
    options: &Options,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let limit = options.max_bytes.unwrap_or(usize::MAX);
    document(summaries, options, limit).iter().try_for_each(|part| out.write_all(part.as_bytes()))
}

/// Returns the parts of the document, which together have at most `limit` bytes.
fn document(summaries: &[CrashSummary], options: &Options, limit: usize) -> Vec<String> {
    let size = |parts: &[String]| parts.iter().map(String::len).sum::<usize>();
    let (whole, _) = fill(summaries, options, usize::MAX);
    if size(&whole) <= limit {
        return whole;
    }
    let (mut parts, cuts) = fill(summaries, options, limit.saturating_sub(Cuts::MOST.notice(limit).len()));
    let notice = cuts.notice(limit);
    if size(&parts) + notice.len() <= limit {
        parts.push(notice);
    }
    parts
}

/// Returns the parts that fit into `room` bytes, in the order of reading; finds them in the order of importance.
fn fill(summaries: &[CrashSummary], options: &Options, room: usize) -> (Vec<String>, Cuts) {
    let mut budget = Budget { left: room };
    let mut cuts = Cuts::default();
    let mut sections: Vec<Vec<String>> = Vec::new();
    if summaries.is_empty() {
        let mut nothing = Vec::new();
        budget.put("No crashes.\n".to_owned(), &mut nothing);
        return (nothing, cuts);
    }
    for (index, summary) in summaries.iter().enumerate() {
        let headline = headline(summary, index > 0);
        if !budget.take(&headline) {
            break;
        }
        sections.push(vec![headline]);
    }
    let count = sections.len();
    cuts.crashes = summaries.len() - count;
    for (index, (section, summary)) in sections.iter_mut().zip(summaries).enumerate() {
        let block = fenced(&text::quoted(summary, options), budget.share(count - index));
        cuts.stacks += usize::from(block.cut);
        budget.put(block.text, section);
    }
    for (index, (section, summary)) in sections.iter_mut().zip(summaries).enumerate() {
        let facts = fact_list(summary);
        let fits = facts.len() <= budget.share(count - index);
        cuts.parts += usize::from(!fits);
        budget.put(if fits { facts } else { String::new() }, section);
    }
    for (index, (section, summary)) in sections.iter_mut().zip(summaries).enumerate() {
        let mut share = budget.share(count - index);
        for (title, lines) in details(summary, options) {
            let block = folded(&title, &lines, share);
            cuts.parts += usize::from(block.cut);
            share = share.saturating_sub(block.text.len());
            budget.put(block.text, section);
        }
    }
    (sections.into_iter().flatten().collect(), cuts)
}

/// The bytes that are left to fill.
struct Budget {
    left: usize,
}

impl Budget {
    /// Takes the room for `text`, if there is enough.
    fn take(&mut self, text: &str) -> bool {
        let left = self.left.checked_sub(text.len());
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// Adds `text` to `section`, if there is room for it and it says anything.
    fn put(&mut self, text: String, section: &mut Vec<String>) {
        if !text.is_empty() && self.take(&text) {
            section.push(text);
        }
    }

    /// Returns what each of `takers` may take.
    fn share(&self, takers: usize) -> usize {
        self.left.checked_div(takers).unwrap_or(0)
    }
}

/// How much was left out or shortened.
#[derive(Default)]
struct Cuts {
    crashes: usize,
    stacks: usize,
    parts: usize,
}

impl Cuts {
    /// The cuts with the longest notice.
    const MOST: Cuts = Cuts { crashes: usize::MAX, stacks: usize::MAX, parts: usize::MAX };

    fn notice(&self, limit: usize) -> String {
        let counted =
            [(self.crashes, "whole crashes"), (self.stacks, "crashing stacks"), (self.parts, "other parts")];
        let counted: Vec<String> = counted
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{what}: {}", grouped(count as u64)))
            .collect();
        let limit = grouped(limit as u64);
        format!("\n*Left out or shortened to stay below {limit} bytes: {}.*\n", counted.join(", "))
    }
}

/// The heading and, if known, the place.
fn headline(summary: &CrashSummary, follows: bool) -> String {
    let headline = Headline::of(summary);
    let short = |text: &String| shortened(text, HEADLINE_LIMIT);
    let code = |text: &String| code_span(&short(text));
    let blank = if follows { "\n" } else { "" };
    let test = headline.test.as_ref().map(|test| format!("test {}: ", code(test))).unwrap_or_default();
    let subject = headline.subject.as_ref().map_or_else(|| "A process".to_owned(), code);
    let why = headline.why.as_ref().map(|why| format!(": {}", markdown(&short(why)))).unwrap_or_default();
    let fate = markdown(&short(&headline.fate));
    let place = Place::of(summary).map(|place| {
        let location = place.location.as_ref().map(|location| match location {
            Location::Module(module) => format!("of {}", code(module)),
            Location::Source(place) | Location::Address(place) => format!("at {}", code(place)),
        });
        let function = place.function.as_ref().map(|function| format!("in {}", code(function)));
        let inside = place.inside.as_ref().map(|inside| format!("inside {}", code(inside)));
        let caller = place.called_from.as_ref().map(|caller| format!("called from {}", code(caller)));
        let phrases: Vec<String> = [function, location, inside, caller].into_iter().flatten().collect();
        format!("\n**Where:** {}\n", phrases.join(" "))
    });
    format!("{blank}## {test}{subject} {fate}{why}\n{}", place.unwrap_or_default())
}

fn fact_list(summary: &CrashSummary) -> String {
    let lines = facts(summary).into_iter().map(|fact| {
        let text = code_span(&fact.text);
        match fact.link {
            Some(link) => format!("- {}: [{text}](<{link}>)\n", fact.label),
            None => format!("- {}: {text}\n", fact.label),
        }
    });
    let signature = text::signature(summary).map(|signature| format!("- {}\n", markdown(&signature)));
    let list: String = lines.chain(signature).collect();
    if list.is_empty() { list } else { format!("\n{list}") }
}

/// What is folded away: titles of ours and clean lines.
fn details(summary: &CrashSummary, options: &Options) -> Vec<(String, Vec<String>)> {
    let others = Others::of(summary, options);
    let deadlocks = Waits::of(summary).deadlocks(&summary.deadlocks);
    // Each begins with an empty line.
    let deadlocks: Vec<String> = deadlocks.iter().skip(1).map(Line::text).collect();
    let mut threads = Vec::new();
    for (index, group) in others.groups.iter().enumerate() {
        threads.extend((index > 0).then(String::new));
        threads.extend(group.texts());
    }
    threads.extend(others.legend.line().map(|line| line.text()));
    threads.extend(others.hidden());
    let modules = modules::lines(summary, options).iter().map(Line::text).collect();
    let warnings: Vec<String> =
        summary.warnings.iter().map(|warning| format!("- {}", clean(&warning.text))).collect();
    let all = [
        ("Deadlocks".to_owned(), deadlocks),
        ("Other threads".to_owned(), threads),
        (modules::TITLE.trim_end_matches(':').to_owned(), modules),
        (OUTPUT_TAIL.to_owned(), output_tail(summary)),
        (plural(warnings.len() as u64, "warning"), warnings),
    ];
    all.into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
}

/// A part that may have been cut to fit.
struct Block {
    text: String,
    cut: bool,
}

/// Folds lines away beneath a title of ours.
fn folded(title: &str, lines: &[String], share: usize) -> Block {
    let (before, after) = (format!("\n<details><summary>{title}</summary>\n"), "\n</details>\n");
    let mut block = fenced(lines, share.saturating_sub(before.len() + after.len()));
    if !block.text.is_empty() {
        block.text = format!("{before}{}{after}", block.text);
    }
    block
}

/// Puts lines into a code block of at most `share` bytes; drops lines at the end where they don't all fit.
fn fenced(lines: &[String], share: usize) -> Block {
    let fence = fence(lines.iter().map(String::as_str));
    let wrap = |body: &str| format!("\n{fence}text\n{body}{fence}\n");
    let whole: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    let frame = wrap("").len();
    if lines.is_empty() || whole.len() + frame <= share {
        return Block { text: if lines.is_empty() { whole } else { wrap(&whole) }, cut: false };
    }
    let dropped = |count: usize| format!("... {}\n", plural(count as u64, "more line"));
    let room = share.saturating_sub(frame + dropped(lines.len()).len());
    let mut body = String::new();
    let mut kept = 0;
    for line in lines {
        let line = shortened(line, LINE_LIMIT);
        if body.len() + line.len() + 1 > room {
            break;
        }
        body.push_str(&line);
        body.push('\n');
        kept += 1;
    }
    if kept == 0 {
        return Block { text: String::new(), cut: true };
    }
    if kept < lines.len() {
        body.push_str(&dropped(lines.len() - kept));
    }
    Block { text: wrap(&body), cut: true }
}
