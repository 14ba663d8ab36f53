//! What the kernel itself logged of a core that it did not write.

use super::{Row, Situation, words};
use crate::kernel_log::RefusedCore;
use crate::text::quoted;

/// What it says only while crashes come too fast for who takes their cores: somebody does.
pub(super) const TOO_MANY: &[Row] = &[
    Row::reason("pipe_limit_reached", |situation| {
        let refused = said(situation, |why| why.starts_with("over core_pipe_limit"))?;
        words(
            format!(
                "as many programs as kernel.core_pipe_limit allows were taking cores when process {} died, so the \
                 kernel wrote none of it",
                refused.pid
            ),
            "where many processes crash at once, raise the limit: sudo sysctl kernel.core_pipe_limit=64",
        )
    }),
    Row::reason("pattern_socket_busy", |situation| {
        let refused = said(situation, is_busy)?;
        words(
            format!(
                "so many connections waited at the socket that cores go to that the one with the core of process {} \
                 was refused",
                refused.pid
            ),
            "let its server accept faster, or listen with a longer backlog",
        )
    }),
];

/// Whatever else it says.
pub(super) const REFUSED: &[Row] = &[Row::reason("kernel_refused", |situation| {
    let refused = said(situation, |_| true)?;
    words(
        format!("the kernel wrote no core of process {}: {}", refused.pid, quoted(refused.why.as_bytes())),
        "see what it says of the core pattern, the limits and the folder; epitaph doctor looks at all of them",
    )
})];

/// Tells whether these words are of a socket whose backlog is full: its own, or those of EAGAIN (unix(7)).
fn is_busy(why: &str) -> bool {
    why.starts_with("Coredump socket ")
        && (why.ends_with(" receive queue full") || why.ends_with(" failed -11"))
}

fn said(situation: &Situation, is_it: fn(&str) -> bool) -> Option<&RefusedCore> {
    situation.kernel_said.as_ref().filter(|refused| is_it(&refused.why))
}
