//! What a loaded file leaves in memory besides its own bytes.

use crate::link_map::DT_DEBUG;
use crate::object::Object;

/// Facts about a file that was loaded, to tell it from another build where its header was not dumped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces {
    /// `AT_ENTRY`: where it was entered.
    pub(crate) entry: Option<u64>,
    /// `AT_PHNUM`: how many program headers it has.
    pub(crate) program_headers: Option<u64>,
    /// Its dynamic section, as tags and values. It gives the place and the size of most of what a linker lays out.
    pub(crate) dynamic: Vec<(u64, u64)>,
}

impl Traces {
    /// Works out the load bias: the distance from where the file says that it is entered to where it was.
    pub(crate) fn bias(&self, object: &Object) -> Option<u64> {
        Some(self.entry?.wrapping_sub(object.entry()))
    }

    /// Tells whether a file could have left these traces. There must be one at least.
    pub(crate) fn fit(&self, object: &Object, bias: u64) -> bool {
        let class = object.class();
        let entry = self.entry.is_none_or(|entry| class.wrap(object.entry().wrapping_add(bias)) == entry);
        let count = self.program_headers.is_none_or(|count| object.program_header_count() == count);
        // Some dynamic linkers add the bias to the addresses, others don't, and each fills in DT_DEBUG.
        let same = |((tag, value), (in_file, file_value)): (&(u64, u64), (u64, u64))| {
            *tag == in_file
                && (*tag == DT_DEBUG
                    || *value == file_value
                    || *value == class.wrap(file_value.wrapping_add(bias)))
        };
        let in_file = object.dynamic();
        let dynamic = self.dynamic.is_empty()
            || (self.dynamic.len() == in_file.len() && self.dynamic.iter().zip(in_file).all(same));
        entry && count && dynamic && (self.entry.is_some() || !self.dynamic.is_empty())
    }
}
