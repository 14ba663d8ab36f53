//! Places in sources and in machine code, as SARIF has them (2.1.0, 3.28 to 3.33).

use std::path::Path;

use epitaph_summary::{CrashSummary, Frame, SourceLine};
use serde_json::{Map, Value, json};

use crate::escape::{brief, shortened, uri_path};
use crate::finding::inside;
use crate::frames;

/// What names the folder of the job's checkout.
pub(super) const SOURCE_ROOT: &str = "SRCROOT";

/// The most characters of a name, of a line of source, and the longest path that is one.
const NAME: usize = 400;
const SOURCE_LINE: usize = 400;
const LONGEST_PATH: usize = 4096;

/// The largest number that every reader of JSON keeps exact.
const LARGEST: u64 = (1 << 53) - 1;

/// What a tab is shown as.
const TAB: &str = "    ";

/// A place in a source file.
pub(super) struct SourcePlace<'a> {
    pub(super) file: &'a str,
    pub(super) line: Option<u32>,
    pub(super) column: Option<u32>,
    pub(super) source: &'a [SourceLine],
}

impl<'a> SourcePlace<'a> {
    pub(super) fn of(frame: &'a Frame) -> Option<SourcePlace<'a>> {
        let file = frame.file.as_deref().filter(|file| !file.is_empty())?;
        Some(SourcePlace { file, line: frame.line, column: frame.column, source: &frame.source })
    }

    /// Returns the place as a physical location; `None` of a path that says nothing outside of the machine it was made on.
    pub(super) fn physical(&self, repository: Option<&Path>) -> Option<Value> {
        let mut physical = Map::new();
        physical.insert("artifactLocation".into(), artifact(self.file, repository)?);
        if let Some(line) = self.line.filter(|line| *line > 0) {
            let mut region = Map::new();
            region.insert("startLine".into(), line.into());
            if let Some(column) = self.column.filter(|column| *column > 0) {
                region.insert("startColumn".into(), column.into());
            }
            if let Some(own) = self.source.iter().find(|source| source.line == line) {
                region.insert("snippet".into(), snippet(std::slice::from_ref(own)));
                if let Some(around) = around(self.source) {
                    physical.insert("contextRegion".into(), around);
                }
            }
            physical.insert("region".into(), region.into());
        }
        Some(physical.into())
    }
}

/// Returns where a file is: beneath the checkout, or else at its address on the machine.
pub(super) fn artifact(file: &str, repository: Option<&Path>) -> Option<Value> {
    if file.len() > LONGEST_PATH {
        return None;
    }
    match inside(file, repository) {
        Some(file) => Some(json!({ "uri": uri_path(file), "uriBaseId": SOURCE_ROOT })),
        None if file.starts_with('/') && !file.split('/').any(|part| part == "..") => {
            Some(json!({ "uri": format!("file://{}", uri_path(file)) }))
        }
        None => None,
    }
}

/// The lines around one, if they follow each other.
fn around(source: &[SourceLine]) -> Option<Value> {
    let (first, last) = (source.first()?.line, source.last()?.line);
    let whole = last.checked_sub(first).is_some_and(|lines| lines as usize + 1 == source.len());
    (whole && first > 0).then(|| json!({ "startLine": first, "endLine": last, "snippet": snippet(source) }))
}

fn snippet(source: &[SourceLine]) -> Value {
    let lines: Vec<String> = source
        .iter()
        .map(|line| brief(&shortened(&line.text, SOURCE_LINE).replace('\t', TAB), SOURCE_LINE))
        .collect();
    json!({ "text": lines.join("\n") })
}

/// Returns a frame as a location: its sources, its function and module, and its machine code.
pub(super) fn of_frame(summary: &CrashSummary, frame: &Frame, repository: Option<&Path>) -> Value {
    let mut location = Map::new();
    let address = address(frame);
    let place = SourcePlace::of(frame).and_then(|place| place.physical(repository));
    match (place, address) {
        (Some(Value::Object(mut place)), address) => {
            place.extend(address.map(|address| ("address".to_owned(), address)));
            location.insert("physicalLocation".into(), place.into());
        }
        (_, Some(address)) => {
            location.insert("physicalLocation".into(), json!({ "address": address }));
        }
        _ => {}
    }
    let logical = logical(summary, frame);
    if !logical.is_empty() {
        location.insert("logicalLocations".into(), logical.into());
    }
    location.into()
}

/// The function and the module of a frame.
pub(super) fn logical(summary: &CrashSummary, frame: &Frame) -> Vec<Value> {
    let function = frames::function(frame).map(|name| {
        let name = shortened(&name, NAME);
        let mut function = Map::new();
        function.insert("fullyQualifiedName".into(), name.into());
        if let Some(raw) = frame.raw_name.as_deref().filter(|raw| !raw.is_empty()) {
            function.insert("decoratedName".into(), brief(raw, NAME).into());
        }
        function.insert("kind".into(), "function".into());
        function.into()
    });
    let module = frames::module_name(summary, frame)
        .map(|name| json!({ "fullyQualifiedName": shortened(&name, NAME), "kind": "module" }));
    [function, module].into_iter().flatten().collect()
}

/// The machine address of a frame.
fn address(frame: &Frame) -> Option<Value> {
    let pc = frame.pc?.0;
    (pc <= LARGEST).then(|| json!({ "absoluteAddress": pc, "kind": "instruction" }))
}
