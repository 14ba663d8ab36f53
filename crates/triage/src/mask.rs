//! Takes secrets out of a summary, wherever text from the process is.

use epitaph_summary::{CrashSummary, Masks};

/// Masks every text that came from the crashed process or its files.
pub(crate) fn apply(masks: &Masks, summary: &mut CrashSummary) {
    let mask = |text: &mut Option<String>| {
        if let Some(text) = text {
            *text = masks.apply(text);
        }
    };
    if let Some(process) = &mut summary.process {
        mask(&mut process.command_line);
    }
    if let Some(collection) = &mut summary.collection {
        for fact in collection.collector_facts.values_mut() {
            *fact = masks.apply(fact);
        }
    }
    if masks.is_empty() {
        return;
    }
    if let Some(process) = &mut summary.process {
        mask(&mut process.name);
        mask(&mut process.executable);
    }
    if let Some(core) = &mut summary.core {
        mask(&mut core.path);
    }
    for thread in summary.threads.iter_mut().chain(&mut summary.goroutines) {
        mask(&mut thread.name);
        for frame in &mut thread.frames {
            mask(&mut frame.function);
            mask(&mut frame.raw_name);
            mask(&mut frame.file);
        }
    }
    for module in &mut summary.modules {
        mask(&mut module.name);
        mask(&mut module.path);
        mask(&mut module.file_found);
        mask(&mut module.debug_file);
    }
    for warning in &mut summary.warnings {
        warning.text = masks.apply(&warning.text);
    }
}
