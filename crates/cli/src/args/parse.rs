//! Values of options that have a form of their own.

use std::time::Duration;

/// Parses a span of time: `90min`, `6h`, `2d`, or seconds without a unit.
pub(super) fn parse_span(text: &str) -> Result<Duration, String> {
    if let Some(span) = plain_span(text) {
        return Ok(span);
    }
    let span: jiff::Span =
        text.parse().map_err(|_| "a span of time is a number with a unit, such as 6h".to_owned())?;
    let span = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .map_err(|error| format!("it has no fixed length: {error}"))?;
    Duration::try_from(span).map_err(|_| "a span of time can't be negative".to_owned())
}

/// Parses a span of one number and a usual unit: what most people write, and all defaults, each time that a command is run.
fn plain_span(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        "" | "s" => 1,
        "min" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// Parses how many files may be on their way at once.
pub(super) fn parse_transfers(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "it is a number of files, 1 or more".to_owned())
}

/// Parses an age beyond which things are removed: a number without a unit may have been meant as days, and is none.
pub(super) fn parse_age(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(0) => Ok(Duration::ZERO),
        Ok(number) => Err(format!("write the unit as well: {number}d are days, {number}h are hours")),
        Err(_) => parse_span(text),
    }
}

/// Parses how far apart stacks may be.
pub(super) fn parse_threshold(text: &str) -> Result<f32, String> {
    let threshold = text.parse().ok().filter(|threshold| (0.0..=0.95).contains(threshold));
    threshold.ok_or_else(|| "a distance is a number from 0 to 0.95".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units() {
        for (text, seconds) in [
            ("0", 0),
            ("90", 90),
            ("5s", 5),
            ("90min", 5400),
            ("6h", 21_600),
            ("2d", 172_800),
            ("1d 1h", 90_000),
        ] {
            assert_eq!(parse_span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "x", "-1h", "1 month"] {
            assert!(parse_span(bad).is_err() && parse_age(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_age_needs_its_unit() {
        assert_eq!(parse_age("0"), Ok(Duration::ZERO));
        assert_eq!(parse_age("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert!(parse_age("30").unwrap_err().contains("30d"));
    }
}
