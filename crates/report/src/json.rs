//! JSON: the summaries as they are, with characters that a terminal acts upon written as escapes.

use std::io;

use epitaph_summary::CrashSummary;

use crate::escape;

/// Writes one summary as an indented object, several as JSON Lines.
pub(crate) fn render(summaries: &[CrashSummary], out: &mut dyn io::Write) -> io::Result<()> {
    match summaries {
        [summary] => writeln!(out, "{}", escape::json(&serde_json::to_string_pretty(summary)?)),
        summaries => render_lines(summaries, out),
    }
}

/// Writes one summary a line. The last line ends with a newline too: some readers drop it otherwise.
pub(crate) fn render_lines(summaries: &[CrashSummary], out: &mut dyn io::Write) -> io::Result<()> {
    for summary in summaries {
        writeln!(out, "{}", escape::json(&serde_json::to_string(summary)?))?;
    }
    Ok(())
}
