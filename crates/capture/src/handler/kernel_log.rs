//! The kernel's log: the one place where a handler that has no terminal can say something, whatever else fails.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;

/// The longest message: the kernel cuts a record at about 1,000 bytes.
const LONGEST: usize = 900;
/// `LOG_WARNING` of the facility `LOG_USER` (syslog(3)).
const PRIORITY: u32 = 8 + 4;

/// Writes a line to the kernel's log. Where it can't be written, nobody can be told.
pub(super) fn log(text: &str) {
    if let Ok(mut log) = OpenOptions::new().write(true).open("/dev/kmsg") {
        // One write is one record.
        let _ = log.write_all(record(text).as_bytes());
    }
}

/// Crashers choose some of the text: what isn't plain is escaped, so that it can't pretend to be another line.
fn record(text: &str) -> String {
    let mut record = format!("<{PRIORITY}>epitaph: ");
    for letter in text.chars() {
        if record.len() >= LONGEST {
            break;
        }
        if letter.is_ascii_graphic() || letter == ' ' {
            record.push(letter);
        } else {
            let _ = write!(record, "\\u{{{:x}}}", u32::from(letter));
        }
    }
    record.push('\n');
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_plain_line() {
        assert_eq!(record("a\nb \u{1b}[2J é"), "<12>epitaph: a\\u{a}b \\u{1b}[2J \\u{e9}\n");
        assert!(record(&"\n".repeat(10_000)).len() < 1000);
    }
}
