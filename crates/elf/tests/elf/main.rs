//! Core files and objects, whole and damaged. The cores are made by `testkit`, which shares no layout with this crate;
//! the objects by this machine's compiler.

#[cfg(test)]
mod allocation;
#[cfg(test)]
mod architectures;
#[cfg(test)]
mod core_hostile;
#[cfg(test)]
mod core_memory;
#[cfg(test)]
mod core_notes;
#[cfg(test)]
mod core_segments;
#[cfg(test)]
mod go_table;
#[cfg(test)]
mod image;
#[cfg(test)]
mod live;
#[cfg(test)]
mod loaded;
#[cfg(test)]
mod modules;
#[cfg(test)]
mod object_damaged;
#[cfg(test)]
mod object_sections;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod slim;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod support;
#[cfg(test)]
mod system_calls;
#[cfg(test)]
mod unlisted;
