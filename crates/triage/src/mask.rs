//! Takes secrets out of a summary, wherever text from the process is.

use epitaph_elf::Process;
use epitaph_summary::{Assertion, Cause, CrashSummary, Exception, Masks, Panic, Variable};

use crate::scrub::{Places, Start};

/// Most secrets of a process that are looked for in what it said of itself.
const MOST_OF_PROCESS: usize = 256;

/// Returns the masks for what a process said of itself: the values that its own environment and arguments call secret.
pub(crate) fn of_process(process: &Process, start: &Start) -> Masks {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let arguments = start.secret_arguments();
    let secrets = start.secret_variables().chain(arguments.iter().map(|(value, _)| *value));
    let mut secrets = secrets.take(MOST_OF_PROCESS).peekable();
    if secrets.peek().is_none() {
        return Masks::default();
    }
    let places = Places::of(process);
    Masks::new(secrets.filter(|value| !places.has(value)).map(text))
}

/// Gives every text of a cause that came from the process to `mask`.
fn said(cause: &mut Cause, mask: &dyn Fn(&mut String)) {
    let texts = [&mut cause.summary, &mut cause.message].into_iter().flatten();
    texts.chain(&mut cause.evidence).for_each(mask);
    if let Some(Exception { type_name, what, .. }) = &mut cause.exception {
        [type_name, what].into_iter().flatten().for_each(mask);
    }
    if let Some(Panic { file, thread, .. }) = &mut cause.panic {
        [file, thread].into_iter().flatten().for_each(mask);
    }
    if let Some(Assertion { expression, file, function, .. }) = &mut cause.assertion {
        [expression, file, function].into_iter().flatten().for_each(mask);
    }
}

/// Masks a variable: all of it where its name says that it is secret, and each text in it, also one that was cut off.
fn mask_variable(masks: &Masks, own: &Masks, variable: &mut Variable) {
    /// Ends a text of which there is more.
    const CUT: &str = "...";
    let Some(value) = &mut variable.value else { return };
    // What is no text is a number or an address, which tells nobody a password.
    if Masks::is_secret_name(&variable.name) && value.contains('"') {
        "***".clone_into(value);
        return;
    }
    let apply = |text: &str| masks.apply(&own.apply(text));
    let apply_to_cut = |text: &str| masks.apply_to_cut(&own.apply_to_cut(text));
    let mut masked = String::with_capacity(value.len());
    let mut rest = value.as_str();
    while let Some((text, after)) = rest.split_once(CUT) {
        // Its quote stands before what says that there is more.
        let (text, quote) = text.strip_suffix('"').map_or((text, ""), |text| (text, "\""));
        masked.push_str(&apply_to_cut(text));
        masked.push_str(quote);
        masked.push_str(CUT);
        rest = after;
    }
    masked.push_str(&apply(rest));
    *value = masked;
}

/// Masks every text that came from the crashed process or its files: what is secret here by `masks`, and in what the
/// process said of itself also its `own`.
pub(crate) fn apply(masks: &Masks, own: &Masks, summary: &mut CrashSummary) {
    let mask = |text: &mut Option<String>| {
        if let Some(text) = text {
            *text = masks.apply(text);
        }
    };
    if let Some(process) = &mut summary.process {
        if let Some(line) = &mut process.command_line {
            *line = if process.command_line_truncated == Some(true) {
                masks.apply_to_cut(&own.apply_to_cut(line))
            } else {
                masks.apply(&own.apply(line))
            };
        }
        if !own.is_empty() {
            for text in [&mut process.executable, &mut process.name].into_iter().flatten() {
                *text = own.apply(text);
            }
        }
    }
    if let Some(collection) = &mut summary.collection {
        for fact in collection.collector_facts.values_mut() {
            *fact = masks.apply(&own.apply(fact));
        }
    }
    for cause in summary.cause.iter_mut().chain(&mut summary.other_causes) {
        said(cause, &|text| *text = masks.apply(&own.apply(text)));
    }
    if let Some(signature) = &mut summary.signature {
        for text in signature.frames.iter_mut().chain(&mut signature.title).chain(&mut signature.subject) {
            *text = masks.apply(&own.apply(text));
        }
    }
    if let Some(test) = &mut summary.test {
        test.name = masks.apply(&own.apply(&test.name));
    }
    for thread in summary.threads.iter_mut().chain(&mut summary.goroutines) {
        for frame in &mut thread.frames {
            for variable in frame.arguments.iter_mut().chain(&mut frame.variables) {
                mask_variable(masks, own, variable);
            }
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
            mask(&mut frame.declared_in);
            for source in &mut frame.source {
                source.text = masks.apply(&source.text);
            }
        }
    }
    for module in &mut summary.modules {
        mask(&mut module.name);
        mask(&mut module.path);
        mask(&mut module.file_found);
        mask(&mut module.debug_file);
    }
    for region in &mut summary.regions {
        mask(&mut region.name);
    }
    for warning in &mut summary.warnings {
        warning.text = masks.apply(&warning.text);
    }
}
