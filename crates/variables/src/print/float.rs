//! Floating-point numbers, as C's `%g` writes them: with as many digits as tell a number from its neighbours.

use std::fmt::Write as _;

use super::hex;

/// Spells a number of IEEE 754's binary formats, or of the x87's 80 bits, from little-endian bytes.
pub(super) fn spell(bytes: &[u8]) -> String {
    match bytes {
        [one, two] => f64_text(f64::from(half(u16::from_le_bytes([*one, *two]))), 5, String::new),
        [a, b, c, d] => {
            let value = f32::from_le_bytes([*a, *b, *c, *d]);
            f64_text(f64::from(value), 9, || format!("{:#x}", value.to_bits() & 0x7f_ffff))
        }
        _ => {
            if let Some(eight) = bytes.first_chunk::<8>().filter(|_| bytes.len() == 8) {
                let value = f64::from_le_bytes(*eight);
                return f64_text(value, 17, || format!("{:#x}", value.to_bits() & 0xf_ffff_ffff_ffff));
            }
            // 80 bits take 12 or 16 bytes; the whole 16 are those of a quadruple on other machines, which say so by
            // bits that the x87's padding lacks.
            extended(bytes).unwrap_or_else(|| {
                let hex = hex(bytes.iter().rev());
                format!("<float 0x{hex}>")
            })
        }
    }
}

/// Widens a half-precision number.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

fn f64_text(value: f64, digits: usize, payload: impl Fn() -> String) -> String {
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_nan() {
        return format!("{sign}nan({})", payload());
    }
    if value.is_infinite() {
        return format!("{sign}inf");
    }
    let scientific = format!("{:.*e}", digits - 1, value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let figures: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    format!("{sign}{}", general(&figures, exponent.parse().unwrap_or(0)))
}

/// Lays out decimal figures, of which the first stands before the point, as `%g` does.
fn general(figures: &str, exponent: i32) -> String {
    let digits = figures.len() as i32;
    let trimmed = figures.trim_end_matches('0');
    let trimmed = if trimmed.is_empty() { "0" } else { trimmed };
    if trimmed == "0" {
        return "0".to_owned();
    }
    if exponent < -4 || exponent >= digits {
        let (first, rest) = trimmed.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{first}{point}{rest}e{sign}{:02}", exponent.unsigned_abs());
    }
    if exponent < 0 {
        return format!("0.{}{trimmed}", "0".repeat(exponent.unsigned_abs() as usize - 1));
    }
    let before = exponent as usize + 1;
    match trimmed.split_at_checked(before) {
        Some((whole, "")) => whole.to_owned(),
        Some((whole, rest)) => format!("{whole}.{rest}"),
        None => format!("{trimmed}{}", "0".repeat(before - trimmed.len())),
    }
}

/// Spells the x87's format: an explicit integer bit and 63 bits of fraction, then 15 bits of exponent and the sign.
fn extended(bytes: &[u8]) -> Option<String> {
    /// Figures that tell 64 bits of mantissa apart, as gdb counts them.
    const DIGITS: usize = 21;
    if ![10, 12, 16].contains(&bytes.len()) {
        return None;
    }
    let mantissa = u64::from_le_bytes(*bytes.first_chunk()?);
    let top = u16::from_le_bytes(*bytes.get(8..)?.first_chunk()?);
    let (sign, exponent) = (if top >> 15 == 1 { "-" } else { "" }, i32::from(top & 0x7fff));
    if exponent == 0x7fff {
        let fraction = mantissa << 1;
        return Some(if fraction == 0 { format!("{sign}inf") } else { format!("{sign}nan({mantissa:#x})") });
    }
    if mantissa == 0 {
        return Some(format!("{sign}0"));
    }
    let (figures, exponent) = decimal(mantissa, exponent.max(1) - 16383 - 63, DIGITS);
    Some(format!("{sign}{}", general(&figures, exponent)))
}

/// Writes `mantissa * 2^exponent` in decimal: its first figures, rounded, and the exponent of the first.
fn decimal(mantissa: u64, exponent: i32, digits: usize) -> (String, i32) {
    const BASE: u64 = 1_000_000_000;
    // A negative power of two is a power of five, with the point moved.
    let mut limbs: Vec<u64> = vec![mantissa % BASE, mantissa / BASE % BASE, mantissa / BASE / BASE];
    let (factor, moved) = if exponent < 0 { (5, exponent) } else { (2, 0) };
    for _ in 0..exponent.unsigned_abs() {
        let mut carry = 0;
        for limb in &mut limbs {
            let product = *limb * factor + carry;
            *limb = product % BASE;
            carry = product / BASE;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    let mut text = String::new();
    for limb in limbs.iter().rev() {
        let _ = write!(text, "{limb:09}");
    }
    let text = text.trim_start_matches('0');
    let mut exponent = text.len() as i32 - 1 + moved;
    let mut figures: Vec<u8> = text.bytes().take(digits).collect();
    let rest = text.as_bytes().get(digits..).unwrap_or_default();
    let is_odd = figures.last().is_some_and(|last| last % 2 == 1);
    let round_up = match rest.split_first() {
        Some((b'5', rest)) => is_odd || rest.iter().any(|figure| *figure != b'0'),
        Some((first, _)) => *first > b'5',
        None => false,
    };
    if round_up {
        let mut carried = true;
        for figure in figures.iter_mut().rev() {
            if *figure < b'9' {
                *figure += 1;
                carried = false;
                break;
            }
            *figure = b'0';
        }
        if carried {
            figures.insert(0, b'1');
            figures.pop();
            exponent += 1;
        }
    }
    figures.resize(digits, b'0');
    (String::from_utf8_lossy(&figures).into_owned(), exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_gdb_writes_them() {
        for (value, text) in [
            (0.1, "0.10000000000000001"),
            (0.0, "0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (1e100, "1e+100"),
            (1e-7, "9.9999999999999995e-08"),
            (123456.0, "123456"),
            (0.000123, "0.00012300000000000001"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan(0x8000000000000)"),
        ] {
            assert_eq!(spell(&f64::to_le_bytes(value)), text);
        }
        assert_eq!(spell(&2.7_f32.to_le_bytes()), "2.70000005");
        assert_eq!(spell(&0x3c00_u16.to_le_bytes()), "1");
    }

    #[test]
    fn the_x87s_numbers_are_exact() {
        let bytes = |mantissa: u64, top: u16| {
            let mut bytes = mantissa.to_le_bytes().to_vec();
            bytes.extend(top.to_le_bytes());
            bytes.resize(16, 0xaa);
            bytes
        };
        assert_eq!(spell(&bytes(1 << 63, 0x3fff)), "1");
        // 0.1L
        assert_eq!(spell(&bytes(0xcccc_cccc_cccc_cccd, 0x3ffb)), "0.100000000000000000001");
        assert_eq!(spell(&bytes(1 << 63, 0xbfff)), "-1");
        assert_eq!(spell(&bytes(0, 0)), "0");
        assert_eq!(spell(&bytes(1 << 63, 0x7fff)), "inf");
        // The largest and the smallest there are.
        assert_eq!(spell(&bytes(u64::MAX, 0x7ffe)), "1.18973149535723176502e+4932");
        assert_eq!(spell(&bytes(1, 0)), "3.64519953188247460253e-4951");
    }
}
