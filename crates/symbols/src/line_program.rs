//! A unit's line program (DWARF 5, 6.2), run for the rows of some wanted addresses.
//!
//! A program has a row for each statement of its unit, and few of them are wanted: so none is kept but the last one,
//! and it is looked at only where a wanted address lies in front of the next. The program is left as soon as all
//! addresses have their rows.

use gimli::{LineProgramHeader, Reader as _};

use crate::dwarf::Slice;

/// What a row says of the addresses from its own up to the next row's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Index of the program's files.
    pub(crate) file: u64,
    /// From 1; 0 if the code comes from no line.
    pub(crate) line: u32,
    /// From 1; 0 for the left edge, or if it isn't known.
    pub(crate) column: u32,
}

/// Finds the rows of `addresses` (sorted), at the same index; and says what is wrong with the program.
///
/// What was found before the program turned out to be broken is right. A sequence that doesn't begin in code is that
/// of a function that the linker threw away: `is_code` tells. Of several that have an address, the first one counts.
pub(crate) fn find(
    header: &LineProgramHeader<Slice<'_>>,
    addresses: &[u64],
    is_code: &dyn Fn(u64) -> bool,
) -> (Vec<Option<Row>>, Option<gimli::Error>) {
    let mut run = Run {
        header,
        special: specials(header),
        addresses,
        is_code,
        found: vec![None; addresses.len()],
        missing: addresses.len(),
        state: State::default(),
        sequence: Sequence::default(),
    };
    let broken = run.all(header.raw_program_buf()).err();
    (run.found, broken)
}

/// A program that is run.
struct Run<'r, 'a> {
    header: &'r LineProgramHeader<Slice<'a>>,
    special: [Special; 256],
    addresses: &'r [u64],
    is_code: &'r dyn Fn(u64) -> bool,
    /// By the same index as the addresses.
    found: Vec<Option<Row>>,
    /// How many addresses have no row yet.
    missing: usize,
    state: State,
    sequence: Sequence,
}

/// The registers of the program's machine (DWARF 5, 6.2.2), as far as they matter here.
struct State {
    address: u64,
    /// Index of the operation, in an instruction that has several.
    operation: u64,
    file: u64,
    line: u64,
    column: u64,
    /// Whether the address is one that nothing has: what follows has none either.
    dead: bool,
}

impl Default for State {
    fn default() -> State {
        State { address: 0, operation: 0, file: 1, line: 1, column: 0, dead: false }
    }
}

/// The sequence that is being read: rows for code that is in one piece.
struct Sequence {
    /// Address of its first row.
    start: Option<u64>,
    /// The last row.
    row: Row,
    /// Index of the first wanted address that isn't in front of the last row, and the address.
    next: usize,
    wanted: u64,
    /// The addresses that it has, by index.
    given: Vec<(usize, Row)>,
}

impl Default for Sequence {
    fn default() -> Sequence {
        let row = Row { file: 0, line: 0, column: 0 };
        Sequence { start: None, row, next: 0, wanted: u64::MAX, given: Vec::new() }
    }
}

/// What a special opcode does (DWARF 5, 6.2.5.1).
#[derive(Clone, Copy, Default)]
struct Special {
    operations: u8,
    lines: i16,
}

/// Works out all special opcodes, so that none need be divided when it is met.
fn specials(header: &LineProgramHeader<Slice<'_>>) -> [Special; 256] {
    let mut special = [Special::default(); 256];
    let range = header.line_range();
    for (opcode, special) in special.iter_mut().enumerate().skip(usize::from(header.opcode_base())) {
        let adjusted = opcode as u8 - header.opcode_base();
        if let (Some(operations), Some(lines)) = (adjusted.checked_div(range), adjusted.checked_rem(range)) {
            *special = Special { operations, lines: i16::from(header.line_base()) + i16::from(lines) };
        }
    }
    special
}

impl Run<'_, '_> {
    fn all(&mut self, mut program: Slice<'_>) -> gimli::Result<()> {
        while !program.is_empty() && self.missing > 0 {
            let opcode = program.read_u8()?;
            if opcode >= self.header.opcode_base() {
                let Special { operations, lines } = self.special(opcode);
                self.advance_line(i64::from(lines));
                self.advance(u64::from(operations));
                self.row();
            } else if opcode == 0 {
                self.extended(&mut program)?;
            } else {
                self.standard(gimli::DwLns(opcode), &mut program)?;
            }
        }
        Ok(())
    }

    fn standard(&mut self, opcode: gimli::DwLns, program: &mut Slice<'_>) -> gimli::Result<()> {
        match opcode {
            gimli::DW_LNS_copy => self.row(),
            gimli::DW_LNS_advance_pc => {
                let operations = program.read_uleb128()?;
                self.advance(operations);
            }
            gimli::DW_LNS_advance_line => {
                let lines = program.read_sleb128()?;
                self.advance_line(lines);
            }
            gimli::DW_LNS_set_file => self.state.file = program.read_uleb128()?,
            gimli::DW_LNS_set_column => self.state.column = program.read_uleb128()?,
            gimli::DW_LNS_const_add_pc => self.advance(u64::from(self.special(u8::MAX).operations)),
            gimli::DW_LNS_fixed_advance_pc => {
                let bytes = program.read_u16()?;
                self.add(u64::from(bytes));
                self.state.operation = 0;
            }
            gimli::DW_LNS_negate_stmt
            | gimli::DW_LNS_set_basic_block
            | gimli::DW_LNS_set_prologue_end
            | gimli::DW_LNS_set_epilogue_begin => {}
            gimli::DW_LNS_set_isa => program.skip_leb128()?,
            gimli::DwLns(unknown) => {
                let lengths = self.header.standard_opcode_lengths().slice();
                for _ in 0..lengths.get(usize::from(unknown) - 1).copied().unwrap_or_default() {
                    program.skip_leb128()?;
                }
            }
        }
        Ok(())
    }

    fn extended(&mut self, program: &mut Slice<'_>) -> gimli::Result<()> {
        let len = program.read_uleb128()?;
        let mut operand = program.split(usize::try_from(len).unwrap_or(usize::MAX))?;
        match gimli::DwLne(operand.read_u8()?) {
            gimli::DW_LNE_end_sequence => self.end(),
            gimli::DW_LNE_set_address => {
                let address = operand.read_address(self.header.address_size())?;
                // Addresses only grow within a sequence, so that a linker's mark for what it threw away may follow
                // what it kept.
                self.state.dead = address < self.state.address;
                if !self.state.dead {
                    self.state.address = address;
                    self.state.operation = 0;
                }
            }
            // Files that a program adds to its table are unknown: no compiler of the last decades adds any.
            _ => {}
        }
        Ok(())
    }

    fn special(&self, opcode: u8) -> Special {
        self.special.get(usize::from(opcode)).copied().unwrap_or_default()
    }

    fn advance_line(&mut self, lines: i64) {
        self.state.line = if lines < 0 {
            self.state.line.saturating_sub(lines.unsigned_abs())
        } else {
            self.state.line.wrapping_add(lines.unsigned_abs())
        };
    }

    fn advance(&mut self, operations: u64) {
        let most = u64::from(self.header.maximum_operations_per_instruction());
        let instructions = if most > 1 {
            let operation = self.state.operation.wrapping_add(operations);
            self.state.operation = operation % most;
            operation / most
        } else {
            operations
        };
        self.add(u64::from(self.header.minimum_instruction_length()).wrapping_mul(instructions));
    }

    fn add(&mut self, bytes: u64) {
        if self.state.dead {
            return;
        }
        match self.state.address.checked_add(bytes) {
            Some(address) => self.state.address = address,
            None => self.state.dead = true,
        }
    }

    /// Takes up the row that the registers have now.
    fn row(&mut self) {
        let State { address, file, line, column, dead, .. } = self.state;
        if dead {
            return;
        }
        if self.sequence.start.is_none() {
            self.sequence.start = Some(address);
            self.sequence.next = self.addresses.partition_point(|wanted| *wanted < address);
            self.sequence.wanted = self.addresses.get(self.sequence.next).copied().unwrap_or(u64::MAX);
        } else if self.sequence.wanted < address {
            self.give(address);
        }
        // Of rows for one address, the last one counts.
        self.sequence.row = Row { file, line: line as u32, column: column as u32 };
    }

    /// Gives the last row to the wanted addresses that are in front of `end`.
    fn give(&mut self, end: u64) {
        let Sequence { row, next, wanted, given, .. } = &mut self.sequence;
        while *wanted < end {
            given.push((*next, *row));
            *next += 1;
            *wanted = self.addresses.get(*next).copied().unwrap_or(u64::MAX);
        }
    }

    /// Ends the sequence: now it is known which addresses it has.
    fn end(&mut self) {
        if !self.state.dead {
            self.give(self.state.address);
        }
        let sequence = std::mem::take(&mut self.sequence);
        if !sequence.given.is_empty() && sequence.start.is_some_and(self.is_code) {
            for (index, row) in sequence.given {
                if let Some(slot @ None) = self.found.get_mut(index) {
                    *slot = Some(row);
                    self.missing -= 1;
                }
            }
        }
        self.state = State::default();
    }
}

#[cfg(test)]
mod tests {
    use gimli::{DebugLine, DebugLineOffset, RunTimeEndian};

    use super::*;

    /// File, line and column.
    type Told = Option<(u64, u32, u32)>;

    /// Runs a program of version 4, whose special opcodes begin at 10 with no lines and no operations, 4 lines each;
    /// there is code from 0x1000 on.
    fn run(program: &[u8], addresses: &[u64]) -> (Vec<Told>, bool) {
        // Length of an instruction, operations in it, statement, first line step, lines, first special opcode, operands
        // of the others; then no folders and no files.
        let rest = [1, 1, 1, 0, 4, 10, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0];
        let mut bytes = Vec::new();
        bytes.extend((6 + rest.len() as u32 + program.len() as u32).to_le_bytes());
        bytes.extend(4_u16.to_le_bytes());
        bytes.extend((rest.len() as u32).to_le_bytes());
        bytes.extend(rest);
        bytes.extend(program);
        let lines = DebugLine::new(&bytes, RunTimeEndian::Little);
        let program = lines.program(DebugLineOffset(0), 8, None, None).unwrap();
        let (rows, broken) = find(program.header(), addresses, &|address| address >= 0x1000);
        let row = |row: Row| (row.file, row.line, row.column);
        (rows.into_iter().map(|found| found.map(row)).collect(), broken.is_some())
    }

    fn set_address(address: u64) -> Vec<u8> {
        [&[0, 9, 2], address.to_le_bytes().as_slice()].concat()
    }

    const END: [u8; 3] = [0, 1, 1];
    const COPY: u8 = 1;
    /// One line on, and no operation; then the row.
    const NEXT_LINE: u8 = 11;

    fn advance_pc(bytes: u8) -> [u8; 2] {
        [2, bytes]
    }

    #[test]
    fn a_row_has_the_addresses_up_to_the_next_one() {
        let set_column = [5, 7];
        let program = [
            &set_address(0x1000)[..],
            &[COPY],
            &advance_pc(8),
            &set_column,
            &[NEXT_LINE],
            &advance_pc(8),
            &END,
        ]
        .concat();
        let (rows, broken) = run(&program, &[0xfff, 0x1000, 0x1007, 0x1008, 0x100f, 0x1010]);
        let (first, second) = (Some((1, 1, 0)), Some((1, 2, 7)));
        assert_eq!((rows, broken), (vec![None, first, first, second, second, None], false));
    }

    #[test]
    fn of_rows_for_one_address_the_last_one_counts() {
        let program =
            [&set_address(0x1000)[..], &[COPY, NEXT_LINE, NEXT_LINE], &advance_pc(8), &END].concat();
        assert_eq!(run(&program, &[0x1000]).0, [Some((1, 3, 0))]);
    }

    /// A linker leaves the rows of what it threw away, at an address where nothing is; they may seem to have what is
    /// behind it.
    #[test]
    fn what_was_thrown_away_has_no_rows() {
        let dead = [&set_address(0)[..], &[COPY], &[9, 0, 0x20], &END].concat();
        let live = [&set_address(0x1000)[..], &[NEXT_LINE], &advance_pc(8), &END].concat();
        for program in [[&dead[..], &live].concat(), [&live[..], &dead].concat()] {
            assert_eq!(run(&program, &[0x10, 0x1000]).0, [None, Some((1, 2, 0))]);
        }
        // Within a sequence, addresses only grow.
        let program = [
            &set_address(0x1000)[..],
            &[COPY],
            &advance_pc(8),
            &[NEXT_LINE],
            &set_address(0x20),
            &[NEXT_LINE],
            &advance_pc(100),
            &END,
        ];
        assert_eq!(run(&program.concat(), &[0x30, 0x1004, 0x1010]).0, [None, Some((1, 1, 0)), None]);
    }

    #[test]
    fn what_comes_before_a_broken_place_is_right() {
        let whole = [&set_address(0x1000)[..], &[COPY], &advance_pc(8), &END].concat();
        let cut = [&set_address(0x2000)[..], &[COPY], &advance_pc(8), &[0]].concat();
        let (rows, broken) = run(&[whole, cut].concat(), &[0x1004, 0x2004]);
        assert_eq!((rows, broken), (vec![Some((1, 1, 0)), None], true));
    }
}
