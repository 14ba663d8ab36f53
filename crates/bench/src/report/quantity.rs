//! Times and sizes, short enough for a table. Sizes are decimal: 1 MB is 10⁶ bytes.

/// Says a time with two or three digits.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 9.95 => format!("{s:.0} s"),
        s if s >= 0.9995 => format!("{s:.1} s"),
        s if s >= 0.00995 => format!("{:.0} ms", s * 1e3),
        s if s >= 0.0009995 => format!("{:.1} ms", s * 1e3),
        s if s >= 0.00000995 => format!("{:.0} µs", s * 1e6),
        s => format!("{:.2} µs", s * 1e6),
    }
}

/// Says a size with two or three digits.
pub(crate) fn bytes(bytes: f64) -> String {
    let (number, unit) = match bytes {
        b if b >= 999.5e6 => (b / 1e9, "GB"),
        b if b >= 999.5e3 => (b / 1e6, "MB"),
        b if b >= 999.5 => (b / 1e3, "kB"),
        b => return format!("{b:.0} B"),
    };
    // A whole number needs no decimal: it is a limit more often than a measurement.
    if number >= 9.95 || number.fract() == 0.0 {
        format!("{number:.0} {unit}")
    } else {
        format!("{number:.1} {unit}")
    }
}

/// Says how many times something is, with two digits.
pub(crate) fn times(ratio: f64) -> String {
    if ratio >= 9.95 { format!("{ratio:.0}×") } else { format!("{ratio:.1}×") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_short() {
        assert_eq!(seconds(12.34), "12 s");
        assert_eq!(seconds(1.234), "1.2 s");
        assert_eq!(seconds(0.1234), "123 ms");
        assert_eq!(seconds(0.00512), "5.1 ms");
        assert_eq!(seconds(0.000130), "130 µs");
        assert_eq!(seconds(0.00000013), "0.13 µs");
        assert_eq!(bytes(4.1e9), "4.1 GB");
        assert_eq!(bytes(60.4e6), "60 MB");
        assert_eq!(bytes(8.25e6), "8.2 MB");
        assert_eq!(bytes(2e6), "2 MB");
        assert_eq!(bytes(17.0), "17 B");
        assert_eq!(times(83.4), "83×");
        assert_eq!(times(0.93), "0.9×");
    }

    #[test]
    fn a_number_doesnt_round_into_the_next_unit() {
        assert_eq!(seconds(0.9996), "1.0 s");
        assert_eq!(bytes(999_600.0), "1.0 MB");
    }
}
