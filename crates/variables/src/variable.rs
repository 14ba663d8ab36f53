//! What is told of a variable.

use epitaph_elf::MemoryError;

/// Why a value, or a part of one, isn't known. Three different stories: the compiler kept it nowhere, the core doesn't
/// hold it, or nobody can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// At this instruction the program itself has it nowhere.
    OptimizedOut,
    /// It is in memory that can't be read.
    Memory(MemoryError),
    /// It is in a register that was not recovered, or found in a way that is not known here.
    Unavailable,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Missing::OptimizedOut => f.write_str("<optimized out>"),
            Missing::Memory(MemoryError::Unmapped { address }) => write!(f, "<unmapped: {address:#x}>"),
            Missing::Memory(MemoryError::NotDumped { address }) => write!(f, "<not in core: {address:#x}>"),
            Missing::Memory(MemoryError::Truncated { address }) => {
                write!(f, "<cut off with the core: {address:#x}>")
            }
            Missing::Unavailable => f.write_str("<unavailable>"),
        }
    }
}

/// A variable of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type, as the language spells it.
    pub type_name: Option<String>,
    /// Its value, as far as it is known; nothing where none of it is.
    pub value: Option<String>,
    /// Why nothing of it is known.
    pub missing: Option<Missing>,
    /// Whether it is an argument.
    pub argument: bool,
}

impl Variable {
    /// Returns its value, or why there is none.
    pub fn text(&self) -> String {
        match (&self.value, self.missing) {
            (Some(value), _) => value.clone(),
            (None, missing) => missing.unwrap_or(Missing::Unavailable).to_string(),
        }
    }
}
