//! What a loaded file leaves in memory besides its own bytes.

use crate::link_map::DT_DEBUG;
use crate::module::Mapped;
use crate::object::Object;
use crate::segment::Segment;

/// Facts about a file that was loaded, to tell it from another build where its header was not dumped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces {
    /// `AT_ENTRY`: where it was entered.
    pub(crate) entry: Option<u64>,
    /// `AT_PHDR` and `AT_PHNUM`: where its program headers are, and how many.
    pub(crate) program_headers: Option<(u64, u64)>,
    /// Its dynamic section, as tags and values. It gives the place and the size of most of what a linker lays out.
    pub(crate) dynamic: Vec<(u64, u64)>,
}

impl Traces {
    /// Works out the load bias: the distance from where the file says that it is entered to where it was.
    pub(crate) fn bias(&self, object: &Object) -> Option<u64> {
        Some(self.entry?.wrapping_sub(object.entry()))
    }

    /// Tells whether a file could have left these traces. There must be one at least, besides the ranges that it was
    /// mapped to, which its segments must lie in.
    pub(crate) fn fit(&self, object: &Object, bias: u64, mappings: &[Mapped]) -> bool {
        let class = object.class();
        let entry = self.entry.is_none_or(|entry| class.wrap(object.entry().wrapping_add(bias)) == entry);
        let headers = self.program_headers.is_none_or(|(address, count)| {
            let in_file = object.program_headers();
            in_file.is_some_and(|(at, of)| class.wrap(at.wrapping_add(bias)) == address && of == count)
        });
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
        entry
            && headers
            && dynamic
            && (self.entry.is_some() || !self.dynamic.is_empty())
            && lie_in(object.segments(), bias, mappings)
    }
}

/// Tells whether the code of a file with these segments, loaded at `bias`, lies in ranges of code, from its first to
/// its last byte.
fn lie_in(segments: &[Segment], bias: u64, mappings: &[Mapped]) -> bool {
    let is_code = |address: u64| {
        let address = address.wrapping_add(bias);
        mappings.iter().any(|mapped| mapped.execute && (mapped.start..mapped.end).contains(&address))
    };
    segments.iter().filter(|segment| segment.execute && segment.file_size > 0).all(|segment| {
        is_code(segment.address) && is_code(segment.address.saturating_add(segment.file_size - 1))
    })
}
