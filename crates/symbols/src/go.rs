//! Names and lines by Go's own table, which stripping leaves in place.

use epitaph_elf::{GoCall, GoTable};

use crate::source_frame::{SourceFrame, SymbolSource};

/// Returns the frames at an address (before the load bias), innermost first; none if no function is there.
pub(crate) fn frames_at(table: &GoTable<'_>, address: u64) -> Vec<SourceFrame> {
    let calls = table.function(address).map(|function| function.calls(address)).unwrap_or_default();
    calls.iter().map(frame).collect()
}

fn frame(call: &GoCall<'_>) -> SourceFrame {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    SourceFrame {
        function: Some(text(call.name)),
        file: call.file.map(text),
        line: call.line,
        inlined: call.inlined,
        source: Some(SymbolSource::GoTable),
        ..SourceFrame::default()
    }
}
