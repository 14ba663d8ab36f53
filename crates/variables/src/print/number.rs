//! Numbers, characters, truth values and enumerations.

use epitaph_elf::Endian;
use gimli::DwAte;

use super::{Printer, View, float, text};
use crate::types::{Enumeration, Type};
use crate::variable::Missing;

impl<'u> Printer<'_, '_, 'u> {
    pub(super) fn number(&mut self, ty: &Type<'u>, encoding: DwAte, size: u64, view: View<'_, 'u>) {
        let spelled = match encoding {
            gimli::DW_ATE_float => self.float(size, view),
            gimli::DW_ATE_complex_float => self.complex(size / 2, view),
            _ => {
                let signed = matches!(encoding, gimli::DW_ATE_signed | gimli::DW_ATE_signed_char);
                self.integer(size, signed, view).map(|value| spell(ty, encoding, size, value))
            }
        };
        match spelled {
            Ok(spelled) => self.push(&spelled),
            Err(why) => self.missing(why),
        }
    }

    /// Reads an integer of up to 16 bytes, or a bit field.
    pub(crate) fn integer(&self, size: u64, signed: bool, view: View<'_, 'u>) -> Result<i128, Missing> {
        let (skip, bits) = match view.bits {
            Some((skip, bits)) => (skip, bits.min(128)),
            None => (0, size.saturating_mul(8)),
        };
        if bits == 0 || bits > 128 {
            return Err(Missing::Unavailable);
        }
        let is_little = self.context.world.arch.endian() == Endian::Little;
        let value = if view.bits.is_some() {
            let first = skip / 8;
            let bytes = view.at(first).bytes((skip % 8 + bits).div_ceil(8))?;
            let count = bytes.len() as u64 * 8;
            let fold = |value: u128, byte: &u8| value << 8 | u128::from(*byte);
            if count > 128 {
                return Err(Missing::Unavailable);
            }
            if is_little {
                bytes.iter().rev().fold(0, fold) >> (skip % 8)
            } else {
                bytes.iter().fold(0, fold) >> (count - skip % 8 - bits)
            }
        } else {
            let bytes = view.bytes(size)?;
            let fold = |value: u128, byte: &u8| value << 8 | u128::from(*byte);
            if is_little { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) }
        };
        let unused = 128 - bits as u32;
        Ok(if signed { ((value << unused) as i128) >> unused } else { (value << unused >> unused) as i128 })
    }

    fn float(&self, size: u64, view: View<'_, 'u>) -> Result<String, Missing> {
        let mut bytes = view.bytes(size)?.to_vec();
        if self.context.world.arch.endian() == Endian::Big {
            bytes.reverse();
        }
        Ok(float::spell(&bytes))
    }

    fn complex(&self, half: u64, view: View<'_, 'u>) -> Result<String, Missing> {
        let imaginary = self.float(half, view.at(half))?;
        Ok(format!("{} + {imaginary}i", self.float(half, view)?))
    }

    pub(super) fn enumeration(&mut self, enumeration: &Enumeration, size: u64, view: View<'_, 'u>) {
        let value = match self.integer(size, enumeration.signed, view) {
            Ok(value) => value,
            Err(why) => return self.missing(why),
        };
        if let Some((_, name)) = enumeration.values.iter().find(|(known, _)| *known == value) {
            return self.push(&format!("{}{name}", enumeration.prefix));
        }
        if !enumeration.flags || value <= 0 {
            return self.push(&value.to_string());
        }
        let mut rest = value;
        let mut names = Vec::new();
        for (flag, name) in enumeration.values.iter().filter(|(flag, _)| *flag != 0) {
            if rest & flag == *flag {
                names.push(format!("{}{name}", enumeration.prefix));
                rest &= !flag;
            }
        }
        if rest != 0 {
            names.push(format!("unknown: {rest:#x}"));
        }
        self.push(&format!("({})", names.join(" | ")));
    }
}

/// Spells an integer by its type.
fn spell(ty: &Type<'_>, encoding: DwAte, size: u64, value: i128) -> String {
    match encoding {
        gimli::DW_ATE_boolean => match value {
            0 => "false".to_owned(),
            1 => "true".to_owned(),
            value => value.to_string(),
        },
        gimli::DW_ATE_address => format!("{value:#x}"),
        gimli::DW_ATE_signed_char | gimli::DW_ATE_unsigned_char if size == 1 => {
            format!("{value} {}", text::character(value as u8 as u32, text::Units::Bytes))
        }
        gimli::DW_ATE_UTF => {
            let units = match size {
                1 => text::Units::Bytes,
                2 => text::Units::Utf16,
                _ if ty.rust => text::Units::Rust,
                _ => text::Units::Utf32,
            };
            format!("{value} {}", text::character(value as u32, units))
        }
        _ if ty.name() == "wchar_t" => {
            format!("{value} {}", text::character(value as u32, text::Units::Wide(size as usize)))
        }
        // What its type calls unsigned is not negative, up to the widest.
        gimli::DW_ATE_unsigned | gimli::DW_ATE_unsigned_char if value < 0 => (value as u128).to_string(),
        _ => value.to_string(),
    }
}
