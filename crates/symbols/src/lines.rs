//! Files and lines: a unit's line program, run once for all its addresses, keeping only the rows that they need.
//!
//! The row for an address is the last one at or before it (DWARF 5, 6.2.2), whether or not it begins a statement: a
//! crash has happened at an instruction, not at a place for a breakpoint.

use gimli::{ColumnType, LineProgramHeader, LineRow, UnitRef};

use crate::dwarf::Slice;

/// Longest path that is put together, in bytes.
const LONGEST_PATH: usize = 64 << 10;

/// A row of the line table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Index of the line program's files.
    pub(crate) file: u64,
    /// From 1.
    pub(crate) line: Option<u32>,
    /// From 1.
    pub(crate) column: Option<u32>,
}

impl Row {
    fn new(row: &LineRow) -> Row {
        let line = row.line().and_then(|line| u32::try_from(line.get()).ok());
        let column = match row.column() {
            ColumnType::LeftEdge => None,
            ColumnType::Column(column) => u32::try_from(column.get()).ok(),
        };
        // Code that comes from no line may still have a column in it, left over from the row before.
        Row { file: row.file_index(), line, column: column.filter(|_| line.is_some()) }
    }
}

/// Finds the rows for `addresses` (sorted). Sequences that don't begin in code are of functions that the linker threw
/// away. What was found before the program turned out to be broken is right, and is returned with what is wrong.
pub(crate) fn find(
    unit: UnitRef<'_, Slice<'_>>,
    addresses: &[u64],
    is_code: &dyn Fn(u64) -> bool,
) -> (Vec<Option<Row>>, Option<gimli::Error>) {
    let mut found = vec![None; addresses.len()];
    let Some(program) = unit.line_program.clone() else { return (found, None) };
    let mut missing = found.len();
    let mut rows = program.rows();
    let mut sequence: Option<Sequence> = None;
    while missing > 0 {
        let row = match rows.next_row() {
            Ok(Some((_, row))) => row,
            Ok(None) => break,
            Err(error) => return (found, Some(error)),
        };
        let address = row.address();
        let (start, mut known) = match &sequence {
            Some(sequence) => (sequence.start, sequence.is_code),
            None => (address, None),
        };
        if let Some(before) = sequence.filter(|sequence| sequence.at < address) {
            let first = addresses.partition_point(|wanted| *wanted < before.at);
            let covered = addresses.iter().zip(&mut found).skip(first);
            let covered = covered.take_while(|(wanted, _)| **wanted < address).map(|(_, slot)| slot);
            for slot in covered.filter(|slot| slot.is_none()) {
                if *known.get_or_insert_with(|| is_code(start)) {
                    *slot = Some(before.row);
                    missing -= 1;
                }
            }
        }
        sequence = (!row.end_sequence()).then(|| Sequence {
            start,
            is_code: known,
            at: address,
            row: Row::new(row),
        });
    }
    (found, None)
}

/// A sequence of rows, up to the latest.
#[derive(Clone, Copy)]
struct Sequence {
    /// Where it begins.
    start: u64,
    /// Whether there is code, once it was asked.
    is_code: Option<bool>,
    /// The latest row's address.
    at: u64,
    row: Row,
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
    use super::*;

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
