//! Fatal log records of other libraries, which are known by their functions alone.

use epitaph_summary::{Cause, Confidence};

use super::abort;
use crate::names::Names;
use crate::scene::Scene;

/// Libraries: the kind, the name, and the functions.
const LIBRARIES: [(&str, &str, &[&str]); 5] = [
    ("qt", "Qt", &["QMessageLogger::fatal", "qt_message_fatal*", "qt_assert*", "qFatal"]),
    ("absl", "Abseil", &["absl::*LogMessage::*", "absl::*LogMessageFatal::*", "absl::*RawLog*"]),
    (
        "glog",
        "glog",
        &["google::LogMessage::Fail", "google::LogMessageFatal::*", "google::LogMessage::SendToLog"],
    ),
    ("python", "Python", &["Py_FatalError*", "_Py_FatalError*", "fatal_error"]),
    ("boost", "Boost", &["boost::assertion_failed*"]),
];

/// Recognizes them.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    if !abort::is_own(scene) || !found.is_empty() {
        return None;
    }
    let names = Names::new(scene.frames());
    let (kind, name, _) = LIBRARIES.iter().find(|(_, _, functions)| names.has(functions))?;
    let evidence =
        vec![format!("a function of {name} that ends the process after a fatal message is on the stack")];
    let cause = Cause::new(
        format!("fatal_log:{kind}"),
        Confidence::Medium,
        format!("{name} ended the program after a fatal message"),
    );
    Some(Cause { evidence, ..cause })
}
