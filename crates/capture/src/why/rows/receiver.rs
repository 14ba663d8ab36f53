//! Cores that go to a program or a socket rather than into files.

use super::{Row, Situation, send_cores_to_files, words};
use crate::limits::LEAST_FOR_A_CORE;
use crate::pattern::{Pipe, Target};
use crate::text::quoted;
use crate::why::situation::Receiver;

pub(super) const ROWS: &[Row] = &[
    Row::reason("pattern_pipe_discard", |situation| {
        program(situation, &["false", "true"])?;
        words(
            format!("this host throws cores away on purpose: its core pattern is {}", pattern(situation)),
            format!("ask who runs the host, or {}", send_cores_to_files(situation)),
        )
    }),
    Row::reason("pattern_pipe_limit_one", |situation| {
        pipe(situation)?;
        (situation.limit.soft == Some(1)).then_some(())?;
        words(
            "the core size limit is 1 byte, which the kernel takes for a crash of the core handler itself \
             and dumps nothing",
            "set another limit in the step that crashes: ulimit -c unlimited",
        )
    }),
    Row::reason("pattern_pipe_systemd_container", |situation| {
        program(situation, &["systemd-coredump"])?;
        let evidence = situation.container?;
        words(
            format!(
                "cores go to systemd-coredump on the host, and this is a container ({evidence}), where they \
                 cannot be seen"
            ),
            format!("mount the host's /var/lib/systemd/coredump, or {}", send_cores_to_files(situation)),
        )
    }),
    Row::reason("pattern_pipe_apport_container", |situation| {
        program(situation, &["apport"])?;
        let evidence = situation.container?;
        words(
            format!(
                "cores go to apport on the host, which drops those of containers, and this is one \
                 ({evidence})"
            ),
            send_cores_to_files(situation),
        )
    }),
    Row::reason("pattern_pipe_apport_missing", |situation| {
        program(situation, &["apport"])?;
        gone(situation)?;
        words(
            format!("cores go to apport, which is not installed: the core pattern is {}", pattern(situation)),
            send_cores_to_files(situation),
        )
    }),
    Row::reason("pattern_pipe_missing", |situation| {
        let pipe = pipe(situation)?;
        gone(situation)?;
        let program = if pipe.program.is_empty() { "no program".to_owned() } else { quoted(&pipe.program) };
        words(
            format!("cores go to {program}, which is missing or cannot be executed, so they are lost"),
            send_cores_to_files(situation),
        )
    }),
    Row::reason("pattern_pipe_systemd_limit", |situation| {
        program(situation, &["systemd-coredump"])?;
        situation.limit.soft.filter(|soft| *soft < LEAST_FOR_A_CORE)?;
        words(
            "cores go to systemd-coredump, which stores none where the core size limit is below a page",
            "raise it in the step that crashes: ulimit -c unlimited; then `coredumpctl list` shows the core",
        )
    }),
    Row::reason("pattern_pipe_systemd", |situation| {
        program(situation, &["systemd-coredump"])?;
        words(
            "cores go to systemd-coredump, which keeps them in /var/lib/systemd/coredump",
            format!("fetch the core: coredumpctl dump -o core PID; or {}", send_cores_to_files(situation)),
        )
    }),
    Row::reason("pattern_pipe_apport", |situation| {
        program(situation, &["apport"])?;
        let limit = match situation.limit.soft {
            Some(0) => ", and none at all of other programs while the core size limit is 0",
            _ => "",
        };
        words(
            format!(
                "cores go to apport, which keeps those of packaged programs in /var/crash and a few others \
                 in \
                 /var/lib/apport/coredump{limit}"
            ),
            format!("look there and into /var/log/apport.log, or {}", send_cores_to_files(situation)),
        )
    }),
    Row::reason("pattern_pipe_unknown", |situation| {
        let pipe = pipe(situation)?;
        let place = match situation.container {
            Some(evidence) => format!(" on the host, outside of this container ({evidence})"),
            None => String::new(),
        };
        words(
            format!("cores go to the program {}{place}, not into files", quoted(&pipe.program)),
            format!(
                "ask who runs the host where that program keeps them, or {}",
                send_cores_to_files(situation)
            ),
        )
    }),
    Row::reason("pattern_socket_missing", |situation| {
        socket(situation)?;
        gone(situation)?;
        words(
            format!("cores go to a socket that is not there, so they are lost: {}", pattern(situation)),
            format!("start its server, or {}", send_cores_to_files(situation)),
        )
    }),
    Row::reason("pattern_socket", |situation| {
        socket(situation)?;
        words(
            format!("cores go to the server of a socket, not into files: {}", pattern(situation)),
            format!(
                "ask who runs the host where that server keeps them, or {}",
                send_cores_to_files(situation)
            ),
        )
    }),
];

fn pipe(situation: &Situation) -> Option<&Pipe> {
    match situation.pattern.as_ref().ok()?.target() {
        Target::Pipe(pipe) => Some(pipe),
        Target::File(_) | Target::Socket(_) => None,
    }
}

fn socket(situation: &Situation) -> Option<()> {
    matches!(situation.pattern.as_ref().ok()?.target(), Target::Socket(_)).then_some(())
}

/// Holds where cores go to a program of one of these names, in whatever folder.
fn program(situation: &Situation, names: &[&str]) -> Option<()> {
    let name = pipe(situation)?.program.rsplit(|byte| *byte == b'/').next()?;
    names.iter().any(|wanted| wanted.as_bytes() == name).then_some(())
}

fn gone(situation: &Situation) -> Option<()> {
    matches!(situation.receiver, Receiver::Missing | Receiver::Unusable).then_some(())
}

fn pattern(situation: &Situation) -> String {
    situation.pattern.as_ref().map(|pattern| quoted(pattern.raw())).unwrap_or_default()
}
