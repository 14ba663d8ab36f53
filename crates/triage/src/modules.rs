//! The modules of a summary.

use std::collections::BTreeSet;

use epitaph_elf::{Companion, FileState, Found, LoadedModules, Located, ModulePart, Origin};
use epitaph_summary::{self as summary, Hex, Warning};

use crate::ModuleFile;

/// Describes all modules; their files are searched for only where `touched` says that a stack leads through them,
/// or that they are the main program.
pub(crate) fn describe(loaded: &LoadedModules<'_>, touched: &BTreeSet<usize>) -> Vec<summary::Module> {
    let modules = loaded.modules().iter().enumerate();
    modules
        .map(|(index, entry)| {
            let module = &entry.module;
            let mut out = summary::Module {
                name: Some(module.name()),
                path: Some(module.path.to_string_lossy().into_owned()),
                start: Some(Hex(module.start)),
                end: Some(Hex(module.end)),
                load_bias: module.bias.map(Hex),
                build_id: module.build_id.as_ref().map(ToString::to_string),
                main: module.main,
                ..summary::Module::default()
            };
            if touched.contains(&index) || module.main {
                out.load_bias = loaded.bias(index).map(Hex);
                add_files(&mut out, loaded, index);
            }
            out
        })
        .collect()
}

fn add_files(out: &mut summary::Module, loaded: &LoadedModules<'_>, index: usize) {
    match loaded.image(index) {
        Some(Located::Found(found)) => {
            out.file_state = Some(match found.state {
                FileState::Verified => summary::FileState::Verified,
                FileState::Unverified => summary::FileState::Unverified,
                FileState::Mismatch => summary::FileState::Mismatch,
            });
            out.file_found = found.path.as_ref().map(|path| path.to_string_lossy().into_owned());
            out.file_origin = Some(origin(found.origin));
        }
        Some(Located::Missing { tried }) => {
            let other = tried.iter().any(|tried| tried.outcome.is_other_build());
            out.file_state =
                Some(if other { summary::FileState::Mismatch } else { summary::FileState::Missing });
        }
        None => {}
    }
    let own = loaded.object(index).is_some_and(epitaph_elf::Object::has_debug_info);
    if let Some(Located::Found(found)) = loaded.debug(index) {
        out.debug_file = found.path.as_ref().map(|path| path.to_string_lossy().into_owned());
        out.debug_origin = Some(origin(found.origin));
        out.has_debug_info = Some(found.object.has_debug_info());
    } else {
        out.has_debug_info = Some(own);
    }
}

/// Lists the files that explain a crash: those that are proven or likely to be the mapped ones, their separate debug
/// files, and the files that the debug information of the frames continues in.
pub(crate) fn files(loaded: &LoadedModules<'_>, searched: &BTreeSet<usize>) -> Vec<ModuleFile> {
    let mut files = Vec::new();
    for index in searched {
        let mut add = |found: &Found, part: ModulePart| {
            if found.state == FileState::Mismatch {
                return;
            }
            let Some(path) = found.path.clone() else { return };
            let object = &found.object;
            let build_id = match &part {
                ModulePart::Image | ModulePart::Debug => object.build_id().cloned(),
                ModulePart::Companion(Companion::Supplementary(_)) => object.supplementary_id(),
                ModulePart::Companion(Companion::Split { .. } | Companion::Package) => None,
            };
            files.push(ModuleFile { module: *index, path, build_id, part });
        };
        for (located, part) in
            [(loaded.image(*index), ModulePart::Image), (loaded.debug(*index), ModulePart::Debug)]
        {
            if let Some(found) = located.and_then(Located::found) {
                add(found, part);
            }
        }
        for (companion, found) in loaded.companions(*index) {
            add(&found, ModulePart::Companion(companion));
        }
    }
    files
}

fn origin(origin: Origin) -> summary::FileOrigin {
    match origin {
        Origin::Given => summary::FileOrigin::Given,
        Origin::RecordedPath => summary::FileOrigin::RecordedPath,
        Origin::Sysroot => summary::FileOrigin::Sysroot,
        Origin::Bundle => summary::FileOrigin::Bundle,
        Origin::BuildId => summary::FileOrigin::BuildId,
        Origin::DebugLink => summary::FileOrigin::DebugLink,
        Origin::Beside => summary::FileOrigin::Beside,
        Origin::Debuginfod => summary::FileOrigin::Debuginfod,
        Origin::Core => summary::FileOrigin::Core,
    }
}

/// Warns of files that are missing or of another build, among the modules that stacks lead through.
pub(crate) fn warnings(loaded: &LoadedModules<'_>, touched: &BTreeSet<usize>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for index in touched {
        let Some(entry) = loaded.modules().get(*index) else { continue };
        let path = entry.module.path.display();
        let id = entry
            .module
            .build_id
            .as_ref()
            .map_or_else(|| "no build ID".to_owned(), |id| format!("build ID {id}"));
        match loaded.image(*index) {
            Some(Located::Missing { tried }) => {
                match tried.iter().find(|tried| tried.outcome.is_other_build()) {
                    Some(other) => warnings.push(Warning::new(
                        "module_mismatch",
                        format!(
                            "{}: {}, so it was not used for {path} ({id})",
                            other.path.display(),
                            other.outcome
                        ),
                    )),
                    None => {
                        let text = format!("{path} ({id}) was not found");
                        warnings.push(Warning::new("module_missing", text));
                    }
                }
            }
            Some(Located::Found(found)) if found.state == FileState::Mismatch => {
                let used = found.path.as_deref().unwrap_or(&entry.module.path).display();
                warnings.push(Warning::new(
                    "module_mismatch_used",
                    format!("{used} is a different build than the one that crashed ({id}): names and lines may be wrong"),
                ));
            }
            Some(Located::Found(found)) if found.state == FileState::Unverified => {
                let used = found.path.as_deref().unwrap_or(&entry.module.path).display();
                let why = if entry.module.first_page.is_empty() {
                    "fits, but nothing is known of the mapped one to compare"
                } else {
                    "has no build ID"
                };
                warnings.push(Warning::new(
                    "module_unverified",
                    format!("{used} {why}: that it is the file that crashed is likely, not proven"),
                ));
            }
            _ => {}
        }
    }
    warnings
}
