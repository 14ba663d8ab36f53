//! Files of modules, found or refused; and names of their addresses. The files are made by this machine's tools.

#[cfg(test)]
mod companions;
#[cfg(test)]
mod damaged_dwarf;
#[cfg(test)]
mod debug_files;
#[cfg(test)]
mod fetched_files;
#[cfg(test)]
mod homes;
#[cfg(test)]
mod image_files;
#[cfg(test)]
mod indices;
#[cfg(test)]
mod source_frames;
#[cfg(test)]
mod support;
#[cfg(test)]
mod symbol_tables;
#[cfg(test)]
mod type_units;
