//! What a module's debug information says of a set of its addresses, wherever it is kept.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use epitaph_elf::{Companion, Found, LoadedModules, Located, Object, ObjectError};
use gimli::{DebugInfoOffset, Dwarf, DwoId, SectionId, UnitHeader, UnitRef};

use crate::dwarf::{Sections, Slice};
use crate::entries::Extents;
use crate::frames::{Answer, Asked};
use crate::problem::Problems;
use crate::root::{Elsewhere, Root, refers_elsewhere};
use crate::scan::by_root;
use crate::source_frame::SourceFrame;
use crate::split::{self, SplitError, SplitUnit};
use crate::supplementary;
use crate::types::Types;
use crate::unit::OpenUnit;
use crate::units::{ByUnit, Placed, by_aranges, by_gdb_index};

/// The debug information of a module.
pub(crate) struct DebugInfo<'a> {
    modules: &'a LoadedModules<'a>,
    module: usize,
    pub(crate) object: &'a Object,
    pub(crate) sections: Sections<'a>,
    extents: Rc<Extents>,
    pub(crate) types: Types<'a>,
    /// The package with split debug information, once it was looked for.
    package: OnceCell<Option<Arc<Object>>>,
    /// The file that dwz made, once it was looked for.
    supplementary: OnceCell<Option<Arc<Object>>>,
    /// The frames at each address, innermost first.
    pub(crate) frames: HashMap<u64, Vec<SourceFrame>>,
    /// Addresses whose functions' names may lack their paths.
    pub(crate) bare: BTreeSet<u64>,
    pub(crate) problems: Problems,
}

impl<'a> DebugInfo<'a> {
    /// Takes up the debug information of a module's file or debug file; `None` if it has none.
    pub(crate) fn new(
        modules: &'a LoadedModules<'a>,
        module: usize,
        object: &'a Object,
    ) -> Option<DebugInfo<'a>> {
        Some(DebugInfo {
            modules,
            module,
            object,
            sections: Sections::new(object)?,
            extents: Rc::default(),
            types: Types::linked(object),
            package: OnceCell::new(),
            supplementary: OnceCell::new(),
            frames: HashMap::new(),
            bare: BTreeSet::new(),
            problems: Problems::default(),
        })
    }

    /// Finds the frames at `addresses` (sorted, before the load bias).
    pub(crate) fn look_up(&mut self, addresses: &[u64]) {
        let by_unit = self.place(addresses);
        self.ask_all(&by_unit);
        // An index may place an address in a unit that knows nothing of it: the units themselves are asked then.
        let mut misplaced: Vec<u64> = by_unit.addresses().into_iter().collect();
        misplaced.retain(|address| !self.frames.contains_key(address));
        if !misplaced.is_empty() {
            let by_unit = self.place_by_roots(&misplaced);
            self.ask_all(&by_unit);
        }
        for error in std::mem::take(&mut self.sections.errors) {
            self.unreadable(&error);
        }
    }

    /// Finds the units that `addresses` (sorted) are in.
    pub(crate) fn place(&mut self, addresses: &[u64]) -> ByUnit {
        let mut placed = Placed::default();
        self.sections.need_whole(&[SectionId::DebugAranges]);
        by_aranges(&self.sections.dwarf(), addresses, &mut placed);
        let mut rest = placed.rest(addresses);
        if !rest.is_empty()
            && let Some(index) = self.sections.gdb_index()
        {
            by_gdb_index(index, &rest, &mut placed);
            rest = placed.rest(addresses);
        }
        let Placed { mut by_unit, indexed, .. } = placed;
        if !rest.is_empty() {
            self.sections.need_roots();
            by_root(&self.sections.dwarf(), &rest, &indexed, &mut by_unit);
        }
        by_unit
    }

    /// Finds the units that `addresses` (sorted) are in by what the units themselves say.
    pub(crate) fn place_by_roots(&mut self, addresses: &[u64]) -> ByUnit {
        let mut by_unit = ByUnit::default();
        self.sections.need_roots();
        by_root(&self.sections.dwarf(), addresses, &HashSet::new(), &mut by_unit);
        by_unit
    }

    fn ask_all(&mut self, by_unit: &ByUnit) {
        let units = self.headers(by_unit);
        self.need_for(&units);
        for (header, addresses) in units {
            self.ask(header, addresses);
        }
    }

    /// Reads the headers of units; returns each with the addresses that it is to be asked about.
    pub(crate) fn headers<'u>(&mut self, by_unit: &'u ByUnit) -> Vec<(UnitHeader<Slice<'a>>, &'u [u64])> {
        let Some((last, _)) = by_unit.units().last_key_value() else { return Vec::new() };
        self.sections.need_unit(SectionId::DebugInfo, *last);
        let dwarf = self.sections.dwarf();
        let mut headers = Vec::with_capacity(by_unit.units().len());
        for (unit, addresses) in by_unit.units() {
            match dwarf.debug_info.header_from_offset(DebugInfoOffset(*unit)) {
                Ok(header) => headers.push((header, addresses.as_slice())),
                Err(error) => self.problems.add("debug_info_unreadable", error),
            }
        }
        headers
    }

    /// Sees to it that what most units need is there for these.
    pub(crate) fn need_for(&mut self, units: &[(UnitHeader<Slice<'a>>, &[u64])]) {
        let Some(last) = units.iter().map(|(header, _)| header.debug_abbrev_offset().0).max() else { return };
        self.sections.need_abbreviations(last);
        let dwarf = self.sections.dwarf();
        let lines = |(header, _): &(UnitHeader<Slice<'a>>, _)| Root::read(&dwarf, header)?.lines;
        if let Some(last) = units.iter().filter_map(lines).max() {
            self.sections.need_unit(SectionId::DebugLine, last);
        }
        self.sections.need_whole(&[
            SectionId::DebugAddr,
            SectionId::DebugLineStr,
            SectionId::DebugRanges,
            SectionId::DebugRngLists,
            SectionId::DebugStr,
            SectionId::DebugStrOffsets,
        ]);
    }

    /// Opens a unit; returns it with where else its entries may refer to.
    pub(crate) fn open(&mut self, header: UnitHeader<Slice<'a>>) -> gimli::Result<(OpenUnit<'a>, Elsewhere)> {
        let dwarf = self.sections.dwarf();
        let opened = OpenUnit::read(&dwarf, header);
        let has_lines = opened.as_ref().is_ok_and(|opened| opened.lines_error.is_none());
        let (elsewhere, is_whole) = refers_elsewhere(&dwarf, &header);
        if has_lines && is_whole && !elsewhere.unit {
            return opened.map(|opened| (opened, elsewhere));
        }
        // It needs other units, or more of the sections than most; or is broken.
        self.sections.need_all();
        let dwarf = self.sections.dwarf();
        let (elsewhere, _) = refers_elsewhere(&dwarf, &header);
        OpenUnit::read(&dwarf, header).map(|opened| (opened, elsewhere))
    }

    /// Asks one unit.
    fn ask(&mut self, header: UnitHeader<Slice<'a>>, addresses: &[u64]) {
        let mut addresses = addresses.to_vec();
        addresses.sort_unstable();
        let (opened, elsewhere) = match self.open(header) {
            Ok(opened) => opened,
            Err(error) => return self.problems.add("debug_info_unreadable", error),
        };
        if let Some(error) = &opened.lines_error {
            self.problems.add("line_table_unreadable", error);
        }
        let shared = self.supplementary(elsewhere);
        let mut dwarf = self.sections.dwarf();
        if let Some(object) = &shared {
            let mut errors = Vec::new();
            dwarf.set_sup(supplementary::read(object, &mut errors));
            for error in &errors {
                self.unreadable(error);
            }
        }
        let mut alone = self.sections.unit(&opened.unit.header);
        alone.sup.clone_from(&dwarf.sup);
        let object = self.object;
        let is_code = |address| object.code_section_at(address).is_some();
        let skeleton = UnitRef::new(&dwarf, &opened.unit);
        let (package, file);
        let mut split = None;
        if let (Some(name), Some(id)) = (opened.split_name, opened.split_id()) {
            package = self.package();
            split = package.as_ref().and_then(|object| split::in_package(object, id, &dwarf).ok());
            if split.is_none() {
                file = self.split_file(name, &opened, id);
                split = file.as_ref().and_then(|found| self.read_split(found, id, &dwarf));
            }
        }
        let split = split.and_then(|split| match OpenUnit::read(&split.dwarf, split.header) {
            Ok(mut unit) => {
                unit.unit.copy_relocated_attributes(&opened.unit);
                Some((unit, split.dwarf, split.types))
            }
            Err(error) => {
                self.problems.add("split_dwarf_unreadable", error);
                None
            }
        });
        let (functions, language, extents, types) = match &split {
            Some((unit, dwarf, types)) => {
                (UnitRef::new(dwarf, &unit.unit), unit.language, Rc::default(), types.clone())
            }
            None => (skeleton, opened.language, Rc::clone(&self.extents), self.types.clone()),
        };
        for part in [opened.entries(), opened.line_program()] {
            object.bytes().will_need(part);
        }
        let asked = Asked { lines: skeleton, functions, language, extents, types, is_code: &is_code };
        let answer = asked.frames(alone, &addresses);
        self.take(answer);
    }

    fn take(&mut self, answer: Answer) {
        for broken in answer.broken {
            self.problems.add("debug_info_unreadable", broken);
        }
        for (address, frames) in answer.frames {
            if is_better(&frames, self.frames.get(&address)) {
                if answer.bare.contains(&address) {
                    self.bare.insert(address);
                } else {
                    self.bare.remove(&address);
                }
                self.frames.insert(address, frames);
            }
        }
    }

    fn unreadable(&mut self, error: &ObjectError) {
        self.problems.add("debug_section_unreadable", error);
    }

    /// Returns the file that dwz made, if the unit refers to it and it was found.
    pub(crate) fn supplementary(&mut self, elsewhere: Elsewhere) -> Option<Arc<Object>> {
        if !elsewhere.file {
            return None;
        }
        let object = self.supplementary.get_or_init(|| {
            let Some(link) = self.object.supplementary_link() else {
                let text = "its debug information refers to another file, and nothing says which";
                self.problems.add("supplementary_missing", text);
                return None;
            };
            let name = link.name.display().to_string();
            match self.modules.companion(self.module, &Companion::Supplementary(link)) {
                Located::Found(found) => Some(found.object),
                located @ Located::Missing { .. } => {
                    let what = format!("names that it shares with other files are in {name}");
                    self.problems.add("supplementary_missing", not_found(&what, &located));
                    None
                }
            }
        });
        object.clone()
    }

    pub(crate) fn package(&self) -> Option<Arc<Object>> {
        let object = self.package.get_or_init(|| {
            let located = self.modules.companion(self.module, &Companion::Package);
            located.found().map(|found| Arc::clone(&found.object))
        });
        object.clone()
    }

    /// Finds the file with a unit's split debug information.
    pub(crate) fn split_file(
        &mut self,
        name: Slice<'_>,
        unit: &OpenUnit<'_>,
        DwoId(id): DwoId,
    ) -> Option<Found> {
        let path = |bytes: Slice<'_>| PathBuf::from(&*bytes.to_string_lossy());
        let companion = Companion::Split { name: path(name), folder: unit.unit.comp_dir.map(path), id };
        match self.modules.companion(self.module, &companion) {
            Located::Found(found) => Some(found),
            located @ Located::Missing { .. } => {
                let what =
                    format!("functions and inlined calls are in {} (ID {id:016x})", path(name).display());
                self.problems.add("split_dwarf_missing", not_found(&what, &located));
                None
            }
        }
    }

    fn read_split<'f>(
        &mut self,
        found: &'f Found,
        id: DwoId,
        parent: &Dwarf<Slice<'f>>,
    ) -> Option<SplitUnit<'f>> {
        let split = split::in_file(&found.object, id, parent);
        split
            .map_err(|error: SplitError| {
                let path = found.path.as_deref().map(|path| path.display().to_string());
                let text = format!("{}: {error}", path.unwrap_or_default());
                self.problems.add("split_dwarf_unreadable", text);
            })
            .ok()
    }
}

/// Says that a file was not found, and where it was looked for: what was there and was another one comes first.
fn not_found(what: &str, located: &Located) -> String {
    /// Most places that are named.
    const MOST: usize = 4;
    let Located::Missing { tried } = located else { return what.to_owned() };
    if let Some(other) = tried.iter().find(|tried| tried.outcome.is_other_build()) {
        return format!("{what}; {} was not used: {}", other.path.display(), other.outcome);
    }
    let places: Vec<String> = tried.iter().take(MOST).map(|tried| tried.path.display().to_string()).collect();
    if places.is_empty() {
        return format!("{what}, which was not found");
    }
    format!("{what}, which was not found (looked for {})", places.join(", "))
}

/// Tells whether another unit's answer for an address is better than the one that is there: units may overlap, and
/// the one that knows the function is right.
fn is_better(new: &[SourceFrame], old: Option<&Vec<SourceFrame>>) -> bool {
    let named = |frames: &[SourceFrame]| frames.iter().filter(|frame| frame.function.is_some()).count();
    !new.is_empty() && old.is_none_or(|old| named(old) < named(new))
}
