//! JUnit XML, for the test tabs of CircleCI, GitLab and Jenkins: one failed test case per crash.
//!
//! Names are what those systems compare over time, so they hold no process id, address or time: the name of the test that
//! died, or else the title that equal crashes share, or else where it crashed, and why. GitLab drops all but the first case of a name, so repeats are numbered. Everything else stands in the case's error and output:
//! GitLab reads neither outside of a case.

use std::collections::HashMap;
use std::io;

use epitaph_summary::CrashSummary;
use epitaph_summary::group::GroupReport;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::escape::{brief, clean, shortened};
use crate::facts::facts;
use crate::frames;
use crate::groups;
use crate::headline::{Headline, UNKNOWN_SIGNAL, program, signal_name, test_name};
use crate::kinds;
use crate::line::Line;
use crate::modules;
use crate::options::Options;
use crate::place::{Place, main_thread};
use crate::text;
use crate::threads::Others;
use crate::waits::Waits;

/// The most characters of a function in a case's name: some databases behind test tabs keep 255.
const NAME_LIMIT: usize = 200;

/// The most characters of a cause's class, or of a signal.
const CLASS_LIMIT: usize = 60;

/// Writes one suite with a case per summary.
pub(crate) fn render(
    summaries: &[CrashSummary],
    groups: &GroupReport,
    options: &Options,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let standings = kinds::standings(summaries, groups);
    let mut suite = TestSuite::new("epitaph");
    let mut taken = HashMap::new();
    for (summary, standing) in summaries.iter().zip(standings) {
        suite.add_test_case(case(summary, standing, options, &mut taken));
    }
    for gone in &groups.gone {
        let (class, name) = groups::junit::names(gone);
        let name = unique(&class, &name, &mut taken);
        suite.add_test_case(groups::junit::gone(&class, &name));
    }
    write(suite, out)
}

/// Writes a report of one suite.
pub(crate) fn write(suite: TestSuite, out: &mut dyn io::Write) -> io::Result<()> {
    let mut report = Report::new("epitaph");
    report.add_test_suite(suite);
    // Not straight into `out`: the serializer's error would hide the kind of an I/O error, as of a broken pipe.
    let xml = report.to_string().map_err(io::Error::other)?;
    out.write_all(xml.as_bytes())
}

/// How often each class and name was asked for.
pub(crate) type Taken = HashMap<(String, String), u64>;

/// Makes the case of one summary, of which a baseline says its `standing`; `taken` holds the classes and names that are in
/// use.
fn case(summary: &CrashSummary, standing: Option<&str>, options: &Options, taken: &mut Taken) -> TestCase {
    let told = Told::of(summary, standing, options);
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type(told.kind);
    status.set_message(told.message);
    if !told.story.is_empty() {
        status.set_description(format!("\n{}\n", told.story));
    }
    let why = class(summary);
    let subject = inert(&subject(summary).unwrap_or_else(|| "epitaph".to_owned()));
    let name = test_name(summary).or_else(|| title(summary));
    let name = name.unwrap_or_else(|| case_name(summary, why.as_deref()));
    let name = unique(&subject, &inert(&name), taken);
    let mut case = TestCase::new(name, status);
    case.set_classname(subject);
    if !told.output.is_empty() {
        case.set_system_out(format!("\n{}\n", told.output));
    }
    case
}

/// What a case tells of a crash. All texts are clean, and inert in a case.
#[derive(Debug)]
pub(crate) struct Told {
    /// Why it died, in a word.
    pub(crate) kind: String,
    /// What died of what, where.
    pub(crate) message: String,
    /// The crashing stack, and why; in lines.
    pub(crate) story: String,
    /// Everything else, in lines.
    pub(crate) output: String,
}

impl Told {
    pub(crate) fn of(summary: &CrashSummary, standing: Option<&str>, options: &Options) -> Told {
        let headline = Headline::of(summary).sentence();
        let headline =
            standing.map_or_else(|| headline.clone(), |standing| format!("{standing}: {headline}"));
        let place = Place::of(summary).map(|place| place.whole_phrase());
        let message = [Some(headline), place].into_iter().flatten().collect::<Vec<_>>().join(", ");
        Told {
            kind: inert(class(summary).as_deref().unwrap_or("crash")),
            message: inert(&message),
            story: inert(&text::quoted(summary, options).join("\n")),
            output: output(summary, options).join("\n"),
        }
    }
}

/// Returns the class and the name of a crash of which no test is known, clean and inert in a case.
pub(crate) fn names(summary: &CrashSummary) -> (String, String) {
    let subject = inert(&subject(summary).unwrap_or_else(|| "epitaph".to_owned()));
    let name = title(summary).unwrap_or_else(|| case_name(summary, class(summary).as_deref()));
    (subject, inert(&name))
}

/// What died, without what differs from build to build where that is known.
fn subject(summary: &CrashSummary) -> Option<String> {
    let subject = summary.signature.as_ref().and_then(|signature| signature.subject.as_deref());
    let subject = subject.filter(|subject| !subject.is_empty());
    subject.map(|subject| brief(subject, NAME_LIMIT)).or_else(|| program(summary))
}

/// Why it died in a word: the cause's class, or else the signal.
fn class(summary: &CrashSummary) -> Option<String> {
    let cause = summary.cause.as_ref().map(|cause| cause.class.as_str());
    let cause =
        cause.filter(|class| !matches!(*class, "" | UNKNOWN_SIGNAL)).map(|class| clean(class).into_owned());
    let class = cause.or_else(|| summary.signal.as_ref().and_then(signal_name))?;
    Some(shortened(&class, CLASS_LIMIT))
}

/// The signature's title, which equal crashes share: `null_deref:read in Widget::draw`.
fn title(summary: &CrashSummary) -> Option<String> {
    let title = summary.signature.as_ref()?.title.as_deref().filter(|title| !title.is_empty())?;
    Some(brief(title, NAME_LIMIT))
}

/// `crash in f (assertion)`; the module stands in for a function without a name.
fn case_name(summary: &CrashSummary, class: Option<&str>) -> String {
    let function = Place::of(summary).and_then(|place| place.function);
    let place = function.or_else(|| {
        let (_, thread) = main_thread(summary)?;
        thread.frames.iter().find_map(|frame| frames::module_name(summary, frame))
    });
    let place = place.map(|place| format!(" in {}", shortened(&place, NAME_LIMIT))).unwrap_or_default();
    let class = class.map(|class| format!(" ({class})")).unwrap_or_default();
    format!("crash{place}{class}")
}

/// Returns `name`, or `name #2`, `name #3`, … where it is taken.
pub(crate) fn unique(class: &str, name: &str, taken: &mut Taken) -> String {
    let key = |name: &str| (class.to_owned(), name.to_owned());
    let mut repeat = taken.get(&key(name)).copied().unwrap_or(0) + 1;
    let mut candidate = if repeat == 1 { name.to_owned() } else { format!("{name} #{repeat}") };
    // A function may be called `f #2`.
    while repeat > 1 && taken.contains_key(&key(&candidate)) {
        repeat += 1;
        candidate = format!("{name} #{repeat}");
    }
    taken.insert(key(name), repeat);
    taken.entry(key(&candidate)).or_insert(1);
    candidate
}

/// What the case prints: the attachment first, because Jenkins cuts long output in its middle.
fn output(summary: &CrashSummary, options: &Options) -> Vec<String> {
    let attachment = summary.core.as_ref().and_then(|core| core.file.as_deref()).and_then(attachment);
    let details = details(summary, options).into_iter().map(|line| inert(&line));
    attachment.into_iter().chain(details).collect()
}

/// Everything else that is known.
fn details(summary: &CrashSummary, options: &Options) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(summary.id.as_ref().map(|id| format!("crash: {}", clean(id))));
    lines.extend(facts(summary).into_iter().map(|fact| format!("{}: {}", fact.label, fact.with_link())));
    lines.extend(text::signature(summary));
    lines.extend(Waits::of(summary).deadlocks(&summary.deadlocks).iter().map(Line::text));
    let others = Others::of(summary, options);
    lines.extend(others.hidden());
    for group in &others.groups {
        lines.push(String::new());
        lines.extend(group.texts());
    }
    lines.extend(others.legend.line().map(|line| line.text()));
    let modules = modules::lines(summary, options);
    if !modules.is_empty() {
        lines.extend([String::new(), modules::TITLE.to_owned()]);
        lines.extend(modules.iter().map(Line::text));
    }
    lines.extend(summary.warnings.iter().map(|warning| format!("warning: {}", clean(&warning.text))));
    lines
}

/// GitLab's sign for a file of the job's artifacts. A path of another shape than ours isn't ours.
fn attachment(file: &str) -> Option<String> {
    let ours = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_name = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(ours);
    file.split('/').all(is_name).then(|| format!("[[ATTACHMENT|{file}]]"))
}

/// Takes the meaning out of attachment signs in crash text: a plugin of Jenkins publishes the files that they name.
pub(crate) fn inert(text: &str) -> String {
    text.replace("[[ATTACHMENT", "[\\x5bATTACHMENT")
}

#[cfg(test)]
mod tests {
    use epitaph_summary::Cause;

    use super::*;

    #[test]
    fn repeats_are_numbered_and_never_collide() {
        let mut taken = Taken::new();
        let names: Vec<String> =
            ["f", "f #2", "f", "f", "f #2"].iter().map(|name| unique("c", name, &mut taken)).collect();
        assert_eq!(names, ["f", "f #2", "f #3", "f #4", "f #2 #2"]);
        assert_eq!(unique("d", "f", &mut taken), "f");
    }

    #[test]
    fn only_our_own_paths_are_attached() {
        assert_eq!(attachment("crashes/a-1/core.zst").unwrap(), "[[ATTACHMENT|crashes/a-1/core.zst]]");
        assert_eq!(attachment("a]]\n[[ATTACHMENT|/etc/passwd"), None);
        assert_eq!(attachment("/etc/passwd"), None);
        assert_eq!(attachment("../secret"), None);
    }

    #[test]
    fn a_case_is_named_by_its_test_or_by_what_equal_crashes_share() {
        let mut summary = crate::fixtures::assertion();
        let named = |summary: &CrashSummary| case(summary, None, &Options::default(), &mut Taken::new());
        let name = |summary: &CrashSummary| named(summary).name.to_string();
        assert_eq!(name(&summary), "QueueTest.PopEmpty");
        summary.test = None;
        assert_eq!(name(&summary), "crash in queue_pop (assertion)");
        let signature = summary.signature.as_mut().unwrap();
        signature.title = Some("assertion in queue_pop".into());
        signature.subject = Some("worker-tests".into());
        assert_eq!(name(&summary), "assertion in queue_pop");
        assert_eq!(named(&summary).classname.unwrap().to_string(), "worker-tests");
        (summary.signature, summary.cause) =
            (None, Some(Cause { class: UNKNOWN_SIGNAL.into(), ..Cause::default() }));
        assert_eq!(name(&summary), "crash in queue_pop (SIGABRT)");
    }
}
