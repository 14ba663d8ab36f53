//! Code objects: whose frame it is, and from an instruction to its line.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::layout::Lines;
use crate::lines;
use crate::objects::Objects;

/// Most code objects that are kept.
const MOST_KEPT: usize = 1 << 14;

/// One function's code.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) function: Arc<str>,
    pub(crate) file: Option<Arc<str>>,
    first_line: u32,
    form: Lines,
    table: Option<Vec<u8>>,
    /// The index of the first instruction that counts, in bytes.
    pub(crate) first_traceable: Option<i64>,
}

impl Code {
    /// Returns the line of the instruction at a byte of the code.
    pub(crate) fn line(&self, at: i64) -> Option<u32> {
        lines::line(self.form, self.table.as_deref()?, self.first_line, at)
    }

    fn read(objects: &Objects<'_>, address: u64) -> Option<Code> {
        if !objects.is(address, "code") {
            return None;
        }
        let layout = &objects.layout.code;
        let text = |offset| objects.text(objects.word(address, offset)?);
        let qualified = layout.qualified_name.and_then(text);
        Some(Code {
            function: qualified.or_else(|| text(layout.name))?.into(),
            file: text(layout.filename).filter(|file| !file.is_empty()).map(Into::into),
            first_line: u32::try_from(objects.int(address, layout.first_line)?).unwrap_or_default(),
            form: layout.lines,
            table: objects.word(address, layout.line_table).and_then(|table| objects.bytes(table)),
            first_traceable: layout
                .first_traceable
                .and_then(|offset| Some(i64::from(objects.int(address, offset)?) * 2)),
        })
    }
}

/// The code objects that were read, by address; those that are none are there too.
#[derive(Debug, Default)]
pub(crate) struct Codes(RefCell<HashMap<u64, Option<Arc<Code>>>>);

impl Codes {
    /// Reads the code object at an address, if it is one.
    pub(crate) fn get(&self, objects: &Objects<'_>, address: u64) -> Option<Arc<Code>> {
        if let Some(known) = self.0.borrow().get(&address) {
            return known.clone();
        }
        let code = Code::read(objects, address).map(Arc::new);
        let mut known = self.0.borrow_mut();
        if known.len() < MOST_KEPT {
            known.insert(address, code.clone());
        }
        code
    }
}
