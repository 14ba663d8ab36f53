//! A crash in one line.

use super::class::Class;
use super::story::Form;

/// The longest title, in characters.
const LONGEST: usize = 160;

/// Writes the title: `null_deref:read in Widget::draw`.
pub(super) fn of(class: &Class, names: &[String]) -> String {
    let details = class.details.as_ref().map(|details| format!(" {details}")).unwrap_or_default();
    let place = match class.form() {
        Form::Overflow | Form::Hang => names.join(", "),
        Form::Fault | Form::Abort => names.first().cloned().unwrap_or_default(),
    };
    shortened(&format!("{}{details} in {place}", class.shown))
}

fn shortened(text: &str) -> String {
    let text: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}
