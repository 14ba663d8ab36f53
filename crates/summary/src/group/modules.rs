//! Whether a crash's program was kept with it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::text::Present;

/// Whether the main module has a stored copy.
#[derive(Debug, Default)]
pub(super) struct KeptProgram(pub(super) bool);

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    main: bool,
    file: Option<Present>,
}

impl<'de> Deserialize<'de> for KeptProgram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Modules;

        impl<'de> Visitor<'de> for Modules {
            type Value = KeptProgram;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of modules")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<KeptProgram, A::Error> {
                let mut kept = false;
                while let Some(module) = items.next_element::<Module>()? {
                    kept |= module.main && module.file.is_some();
                }
                Ok(KeptProgram(kept))
            }
        }

        deserializer.deserialize_seq(Modules)
    }
}
