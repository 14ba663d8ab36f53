//! A 64-bit number that JSON carries as a hex string.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

/// An address or an offset: `"0x7f12…"` in JSON, because numbers there are exact only up to 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex(pub u64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl From<u64> for Hex {
    fn from(value: u64) -> Hex {
        Hex(value)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hex, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let digits =
            text.strip_prefix("0x").ok_or_else(|| de::Error::custom("expected a string like \"0x1f\""))?;
        u64::from_str_radix(digits, 16).map(Hex).map_err(de::Error::custom)
    }
}

impl JsonSchema for Hex {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hex".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^0x[0-9a-f]{1,16}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_64_bits_survive() {
        for value in [0, 1, 1 << 53, (1 << 53) + 1, u64::MAX] {
            let json = serde_json::to_string(&Hex(value)).unwrap();
            assert_eq!(serde_json::from_str::<Hex>(&json).unwrap(), Hex(value));
        }
        assert_eq!(serde_json::to_string(&Hex(255)).unwrap(), "\"0xff\"");
    }

    #[test]
    fn what_is_not_hex_is_refused() {
        for bad in ["12", "\"12\"", "\"0x\"", "\"0x1ffffffffffffffff\"", "\"0xg\""] {
            assert!(serde_json::from_str::<Hex>(bad).is_err(), "{bad}");
        }
    }
}
