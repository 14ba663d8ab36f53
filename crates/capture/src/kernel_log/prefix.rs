//! What stands before a message in a log, by who writes it.

use std::time::Duration;

/// Splits a line into the time since boot, if it has one, and the message.
///
/// `dmesg` writes `[57412.032199] `, with `--decode` a facility before that, and with `-T` a date in the brackets; syslog
/// and journalctl write `DATE HOST kernel: ` and perhaps dmesg's time behind that; `/dev/kmsg` has
/// `PRIORITY,NUMBER,MICROSECONDS,FLAGS;` (linux/Documentation/ABI/testing/dev-kmsg).
pub(super) fn split(line: &str) -> (Option<Duration>, &str) {
    if let Some((fields, message)) = line.split_once(';')
        && let [priority, number, micros, _flags] = *fields.splitn(4, ',').collect::<Vec<_>>()
        && let (Ok(_), Ok(_), Ok(micros)) = (priority.parse::<u32>(), number.parse::<u64>(), micros.parse())
    {
        return (Some(Duration::from_micros(micros)), message);
    }
    let line = line.split_once(" kernel: ").map_or(line, |(_, rest)| rest);
    let line = line.strip_prefix('<').and_then(|rest| rest.split_once('>')).map_or(line, |(_, rest)| rest);
    let decoded = line.split_once(": [").filter(|(facility, _)| {
        facility.len() < 20 && facility.bytes().all(|byte| byte.is_ascii_lowercase() || b" :".contains(&byte))
    });
    let stamped = decoded.map(|(_, rest)| rest).or_else(|| line.strip_prefix('['));
    let Some((stamp, message)) = stamped.and_then(|rest| rest.split_once("] ")) else { return (None, line) };
    (seconds(stamp.trim()), message)
}

/// Reads `57412.032199`.
pub(super) fn seconds(stamp: &str) -> Option<Duration> {
    let (seconds, micros) = stamp.split_once('.')?;
    let micros: u32 = micros.parse().ok().filter(|micros| *micros < 1_000_000)?;
    Some(Duration::new(seconds.parse().ok()?, micros * 1000))
}
