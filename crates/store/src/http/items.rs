//! Lists that a server sends, which may be longer than anybody expects.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, de};

/// The length in bytes of a list, all its pages together. An entry of usual length takes 200 bytes.
pub(crate) const LONGEST_LIST: usize = 64 << 20;

/// More files than any job stores; a list of empty entries within the length above could be longer.
pub(crate) const MOST_ITEMS: usize = 1_000_000;

/// A list that stops being read when it is too long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Items<T>(pub(crate) Vec<T>);

/// What is wrong with a list of more entries.
pub(crate) fn too_many() -> String {
    format!("more than {MOST_ITEMS} entries")
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Items<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Items<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = entries.next_element()? {
                    if list.len() >= MOST_ITEMS {
                        return Err(de::Error::custom(too_many()));
                    }
                    list.push(entry);
                }
                Ok(Items(list))
            }
        }
        deserializer.deserialize_seq(Entries(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_too_long() {
        let text = format!("[{}0]", "0,".repeat(MOST_ITEMS));
        let error = serde_json::from_str::<Items<u8>>(&text).unwrap_err().to_string();
        assert!(error.contains("more than 1000000 entries"), "{error}");
    }
}
