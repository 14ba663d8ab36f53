//! What is said of a death against what is known of it.

use epitaph_summary::{Cause, Confidence, CrashSummary};
use epitaph_testkit::causes::{Case, Truth};
use epitaph_testkit::gdb;

/// What was said of one program's death.
pub(super) struct Said {
    pub(super) case: Case,
    pub(super) class: String,
    pub(super) confidence: Confidence,
    pub(super) summary: CrashSummary,
    /// What is wrong with it.
    pub(super) wrong: Vec<String>,
}

impl Said {
    /// Judges a summary.
    pub(super) fn of(case: Case, summary: CrashSummary) -> Said {
        let cause = summary.cause.clone().unwrap_or_default();
        let mut wrong = Vec::new();
        if case.truth.allows(&cause.class) {
            wrong.extend(message(&case.truth, &cause));
            wrong.extend(details(&case.truth, &cause));
            wrong.extend(place(&case.truth, &summary));
        } else {
            let told = cause.summary.as_deref().unwrap_or_default();
            wrong.push(format!("it is {}, not {:?} ({told})", case.truth.classes.join(" or "), cause.class));
        }
        let confidence = cause.confidence.unwrap_or(Confidence::Unknown);
        Said { case, class: cause.class, confidence, summary, wrong }
    }

    /// Whether the class is a right one.
    pub(super) fn is_right(&self) -> bool {
        self.case.truth.allows(&self.class)
    }
}

fn message(truth: &Truth, cause: &Cause) -> Option<String> {
    let wanted = truth.message.as_ref()?;
    let said = cause.message.as_deref().unwrap_or_default();
    (!wanted.allows(said)).then(|| format!("it said {wanted:?}, not {said:?}"))
}

/// The exception's type, and the line that the program names.
fn details(truth: &Truth, cause: &Cause) -> Vec<String> {
    let mut wrong = Vec::new();
    let exception = cause.exception.as_ref().and_then(|exception| exception.type_name.as_deref());
    if truth.exception.as_deref().is_some_and(|wanted| exception != Some(wanted)) {
        wrong.push(format!("it threw {:?}, not {exception:?}", truth.exception));
    }
    let panic = cause.panic.as_ref().and_then(|panic| panic.line);
    let line = panic.or(cause.assertion.as_ref().and_then(|assertion| assertion.line));
    if truth.line.is_some() && line != truth.line {
        wrong.push(format!("it died at line {:?}, not {line:?}", truth.line));
    }
    wrong
}

/// The function that is blamed.
fn place(truth: &Truth, summary: &CrashSummary) -> Option<String> {
    let blamed = summary.crashing_thread().and_then(|thread| summary.blamed_frame(thread));
    let blamed = blamed.and_then(|frame| frame.function.as_deref()).unwrap_or_default();
    let right = truth.places.is_empty() || truth.places.iter().any(|place| gdb::same_function(blamed, place));
    (!right).then(|| format!("it died in {}, not {blamed:?}", truth.places.join(" or ")))
}
