//! What is said of groups and of the crashes in them, in words. All texts are clean.

use epitaph_summary::group::{Bucket, GroupReport, SimilarBy, Status};

use crate::escape::{clean, shortened};
use crate::quantity::{grouped, plural};

/// The most characters of a title, and of a job's or test's name.
const TITLE: usize = 200;
const NAME: usize = 80;
/// How many jobs and tests are named.
const NAMED: usize = 3;

/// How many crashes there are, and what they make.
pub(crate) fn totals(report: &GroupReport) -> String {
    let mut text = plural(report.crashes, "crash");
    if report.signatures > 0 {
        let groups = plural(report.groups.len() as u64, "group");
        text = format!("{text}, {} in {groups}", plural(report.signatures, "signature"));
    }
    if report.ignored_crashes > 0 {
        text = format!("{text}; {} on purpose", grouped(report.ignored_crashes));
    }
    if report.duplicates > 0 {
        text = format!("{text}; {} left out", plural(report.duplicates, "duplicate"));
    }
    text
}

/// How they compare with the baseline, if there is one.
pub(crate) fn comparison(report: &GroupReport) -> Option<String> {
    let counts = report.baseline?;
    let parts = [
        (counts.new, "new"),
        (counts.similar, "like one of it"),
        (counts.known, "known"),
        (counts.gone, "gone"),
    ];
    let told: Vec<String> = parts
        .iter()
        .filter(|(count, what)| *count > 0 || *what == "new")
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    Some(format!("against a baseline of {}: {}", plural(counts.crashes, "crash"), told.join(", ")))
}

/// A status in a word.
pub(crate) fn status(status: Option<Status>) -> &'static str {
    match status {
        Some(Status::New) => "new",
        Some(Status::Similar) => "similar",
        Some(Status::Known) => "known",
        Some(Status::Gone) => "gone",
        _ => "",
    }
}

/// A status in a word, or that a rule says that these crashes are on purpose; none without a baseline.
pub(crate) fn standing(bucket: &Bucket) -> Option<&'static str> {
    if bucket.ignored.is_some() {
        return Some("on purpose");
    }
    Some(status(bucket.status)).filter(|word| !word.is_empty())
}

/// The crash in one line.
pub(crate) fn title(bucket: &Bucket) -> String {
    let cause = || bucket.cause.as_deref().or(bucket.class.as_deref());
    let title = bucket.title.as_deref().or_else(cause).unwrap_or("nothing is known of why");
    shortened(&clean(title), TITLE)
}

/// What died.
pub(crate) fn subject(bucket: &Bucket) -> Option<String> {
    bucket
        .subject
        .as_deref()
        .filter(|subject| !subject.is_empty())
        .map(|subject| shortened(&clean(subject), NAME))
}

/// When it was seen: a time, or the first and the last day, or times of one day.
pub(crate) fn seen(first: Option<&str>, last: Option<&str>) -> Option<String> {
    let (first, last) = (moment(first?), moment(last?));
    if first == last {
        return Some(first);
    }
    match (first.split_once(' '), last.split_once(' ')) {
        (Some((day, _)), Some((last_day, time))) if day == last_day => Some(format!("{first} to {time}")),
        (Some((day, _)), Some((last_day, _))) => Some(format!("{day} to {last_day}")),
        _ => Some(format!("{first} to {last}")),
    }
}

/// `2026-11-22T10:15:01Z` is `2026-11-22 10:15`.
fn moment(time: &str) -> String {
    let minute = time.get(.."2026-11-22T10:15".len()).unwrap_or(time);
    clean(&minute.replacen('T', " ", 1)).into_owned()
}

/// Which jobs: `3 jobs: 12, 13, 14`.
pub(crate) fn jobs(bucket: &Bucket) -> Option<String> {
    some("job", &bucket.jobs, bucket.job_count)
}

/// Which tests: `test Parser.Empty`.
pub(crate) fn tests(bucket: &Bucket) -> Option<String> {
    some("test", &bucket.tests, bucket.test_count)
}

fn some(noun: &str, names: &[String], count: u64) -> Option<String> {
    let named: Vec<String> = names.iter().take(NAMED).map(|name| shortened(&clean(name), NAME)).collect();
    let rest = count.saturating_sub(named.len() as u64);
    let more = if rest > 0 { format!(" and {} more", grouped(rest)) } else { String::new() };
    match (named.is_empty(), count) {
        (true, _) => None,
        (false, 0 | 1) => Some(format!("{noun} {}", named.join(", "))),
        (false, _) => Some(format!("{}: {}{more}", plural(count, noun), named.join(", "))),
    }
}

/// What it is like in the baseline.
pub(crate) fn likeness(bucket: &Bucket) -> Option<String> {
    let similar = bucket.similar.as_ref()?;
    let other = similar.title.as_deref().or(similar.signature.as_deref()).unwrap_or("one of the baseline");
    let other = shortened(&clean(other), TITLE);
    let of = similar.subject.as_deref().filter(|subject| Some(*subject) != bucket.subject.as_deref());
    let of = of.map(|subject| format!(" of {}", shortened(&clean(subject), NAME))).unwrap_or_default();
    let how = match (similar.by, similar.distance) {
        (Some(SimilarBy::Stack), Some(distance)) => {
            format!(" (stacks {:.0} % alike)", (1.0 - distance) * 100.0)
        }
        (Some(SimilarBy::Exact), _) => " (the same place in the same build)".to_owned(),
        (Some(SimilarBy::Phys), _) => " (the same machine frames)".to_owned(),
        (Some(SimilarBy::Signature), _) if bucket.exact.is_some() => {
            " (but there are no names to tell by)".to_owned()
        }
        (Some(SimilarBy::Signature), _) => " (the same signature)".to_owned(),
        _ => String::new(),
    };
    Some(format!("like {other}{of}{how}"))
}

/// Where one of the crashes is, and what there is of it.
pub(crate) fn example(bucket: &Bucket) -> Option<String> {
    let example = &bucket.example;
    let kept = match (example.core, example.program) {
        (true, true) => " (with core and program)",
        (true, false) => " (with core)",
        _ => "",
    };
    (!example.path.is_empty()).then(|| format!("{}{kept}", clean(&example.path)))
}

/// By which signature it is known.
pub(crate) fn signature(bucket: &Bucket) -> Option<String> {
    let hash = bucket.exact.as_deref().or(bucket.signature.as_deref())?;
    Some(format!("signature {}", shortened(&clean(hash), NAME)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_short_as_they_can_be() {
        let seen = |first, last| seen(Some(first), Some(last)).unwrap();
        assert_eq!(seen("2026-11-22T10:15:01Z", "2026-11-22T10:15:09Z"), "2026-11-22 10:15");
        assert_eq!(seen("2026-11-22T10:15:01Z", "2026-11-22T11:00:00Z"), "2026-11-22 10:15 to 11:00");
        assert_eq!(seen("2026-11-20T10:15:01Z", "2026-11-22T11:00:00Z"), "2026-11-20 to 2026-11-22");
    }

    #[test]
    fn some_names_stand_for_many() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(some("job", &[], 0), None);
        assert_eq!(some("job", &names(&["a"]), 1).unwrap(), "job a");
        assert_eq!(some("job", &names(&["a", "b", "c", "d"]), 20).unwrap(), "20 jobs: a, b, c and 17 more");
    }
}
