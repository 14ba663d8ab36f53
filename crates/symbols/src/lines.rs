//! Files and lines. The rows of a unit's line program are addr2line's business, which is given that one unit, unless the
//! program is large: then it is run for the wanted rows alone. The files that calls name by their index are looked up
//! here.
//!
//! The row for an address is the last one at or before it (DWARF 5, 6.2.2), whether or not it begins a statement: a
//! crash has happened at an instruction, not at a place for a breakpoint.

use addr2line::Context;
use gimli::{Dwarf, LineProgramHeader, UnitRef};

use crate::dwarf::Slice;
use crate::line_program::{self, Row};

/// The largest line program that addr2line reads, in bytes: it keeps and sorts all rows, about one for every three bytes,
/// where one or two are wanted.
const LARGEST_SORTED: usize = 32 << 10;
/// Longest path that is put together, in bytes.
const LONGEST_PATH: usize = 64 << 10;

/// A place in the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file's path, as the compiler knew it.
    pub(crate) file: Option<String>,
    /// From 1.
    pub(crate) line: Option<u32>,
    /// From 1.
    pub(crate) column: Option<u32>,
}

/// Finds the places of `addresses` (sorted) by their unit's line program, at the same index; and says what is wrong with
/// the program. `alone` is debug information that has no unit but theirs, `is_code` tells whether there is code at an
/// address.
pub(crate) fn find(
    unit: UnitRef<'_, Slice<'_>>,
    alone: Dwarf<Slice<'_>>,
    addresses: &[u64],
    is_code: &dyn Fn(u64) -> bool,
) -> (Vec<Option<Place>>, Option<gimli::Error>) {
    let Some(program) = &unit.line_program else { return (vec![None; addresses.len()], None) };
    let len = program.header().raw_program_buf().len();
    // Of a broken program, a run gives what comes before the break.
    if len <= LARGEST_SORTED
        && let Ok(places) = by_addr2line(alone, addresses)
    {
        return (places, None);
    }
    by_run(unit, addresses, is_code)
}

fn by_run(
    unit: UnitRef<'_, Slice<'_>>,
    addresses: &[u64],
    is_code: &dyn Fn(u64) -> bool,
) -> (Vec<Option<Place>>, Option<gimli::Error>) {
    let Some(program) = &unit.line_program else { return (vec![None; addresses.len()], None) };
    let (rows, broken) = line_program::find(program.header(), addresses, is_code);
    let place = |Row { file: index, line, column }| Place {
        file: file(unit, index),
        line: Some(line).filter(|line| *line > 0),
        // Code that comes from no line may still have a column in it, left over from the row before; 0 is the left
        // edge.
        column: Some(column).filter(|column| *column > 0 && line > 0),
    };
    (rows.into_iter().map(|row| row.map(place)).collect(), broken)
}

fn by_addr2line(alone: Dwarf<Slice<'_>>, addresses: &[u64]) -> gimli::Result<Vec<Option<Place>>> {
    let context = Context::from_dwarf(alone)?;
    let place = |address: &u64| {
        let location = context.find_location(*address)?;
        Ok(location.map(|at| Place {
            file: at.file.filter(|path| path.len() <= LONGEST_PATH).map(str::to_owned),
            line: at.line,
            column: at.column.filter(|column| *column > 0 && at.line.is_some()),
        }))
    };
    addresses.iter().map(place).collect()
}

/// Returns the path of one of the line program's files: beneath its folder, and that beneath the unit's.
pub(crate) fn file(unit: UnitRef<'_, Slice<'_>>, index: u64) -> Option<String> {
    let header: &LineProgramHeader<Slice<'_>> = unit.line_program.as_ref()?.header();
    let file = header.file(index)?;
    let mut path = unit.comp_dir.map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
    // Folder 0 is the unit's.
    if file.directory_index() != 0
        && let Some(folder) = file.directory(header)
    {
        push(&mut path, &unit.attr_string(folder).ok()?.to_string_lossy());
    }
    push(&mut path, &unit.attr_string(file.path_name()).ok()?.to_string_lossy());
    Some(path).filter(|path| path.len() <= LONGEST_PATH)
}

/// Joins paths as the machine that compiled would, which may have been any.
fn push(path: &mut String, next: &str) {
    let has_drive = |path: &str, slash: &str| path.get(1..3).is_some_and(|at| at == format!(":{slash}"));
    if next.starts_with(['/', '\\']) || has_drive(next, "/") || has_drive(next, "\\") {
        path.clear();
    } else if !path.is_empty() && !path.ends_with(['/', '\\']) {
        path.push(if path.starts_with('\\') || has_drive(path, "\\") { '\\' } else { '/' });
    }
    path.push_str(next);
}

#[cfg(test)]
mod tests {
    use epitaph_elf::{Bytes, Object};

    use super::*;
    use crate::dwarf::Sections;
    use crate::unit::OpenUnit;

    /// Both ways, for some rows of many of this test program's own units.
    #[test]
    fn a_run_finds_what_addr2line_finds() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let object = Object::parse(Bytes::from(program)).unwrap();
        let mut sections = Sections::new(&object).unwrap();
        sections.need_all();
        let dwarf = sections.dwarf();
        let is_code = |address| object.code_section_at(address).is_some();
        let mut units = dwarf.units();
        let mut compared = 0;
        while let Some(header) = units.next().unwrap().filter(|_| compared < 20_000) {
            let opened = OpenUnit::read(&dwarf, header).unwrap();
            let Some(program) = opened.unit.line_program.clone() else { continue };
            let mut addresses = Vec::new();
            let mut rows = program.rows();
            while let Some((_, row)) = rows.next_row().unwrap() {
                addresses.extend([row.address(), row.address() + 1].into_iter().filter(|at| is_code(*at)));
            }
            addresses.sort_unstable();
            addresses.dedup();
            let addresses: Vec<u64> = addresses.into_iter().step_by(7).collect();
            let unit = UnitRef::new(&dwarf, &opened.unit);
            let sorted = by_addr2line(sections.unit(&header), &addresses).unwrap();
            let (run, broken) = by_run(unit, &addresses, &is_code);
            assert!(broken.is_none());
            assert_eq!(run, sorted, "unit {:?}", unit.name);
            compared += addresses.len();
        }
        assert!(compared > 1000, "{compared}");
    }

    #[test]
    fn paths_are_joined_as_where_they_come_from() {
        for (folder, file, path) in [
            ("/src", "a.c", "/src/a.c"),
            ("/src/", "a.c", "/src/a.c"),
            ("/src", "/usr/include/a.h", "/usr/include/a.h"),
            ("", "a.c", "a.c"),
            ("C:\\src", "a.c", "C:\\src\\a.c"),
            ("C:/src", "a.c", "C:/src/a.c"),
            ("/src", "D:\\a.c", "D:\\a.c"),
        ] {
            let mut joined = folder.to_owned();
            push(&mut joined, file);
            assert_eq!(joined, path);
        }
    }
}
