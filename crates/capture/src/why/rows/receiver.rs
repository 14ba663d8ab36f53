//! Cores that go to a program or a socket rather than into files: whether it is there at all.

use super::collectors::own_way;
use super::{Row, Situation, pattern, pipe, send_cores_to_files, sent_to, words};
use crate::pattern::Target;
use crate::text::quoted;
use crate::why::situation::Receiver;

/// Nobody keeps what is sent there.
pub(super) const LOST: &[Row] = &[
    Row::reason("pattern_pipe_discard", |situation| {
        sent_to(situation, &["false", "true"])?;
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
    // The program is not among what this distribution sees.
    Row::reason("pattern_pipe_wsl", |situation| {
        sent_to(situation, &["wsl-capture-crash"])?;
        words(
            "this is WSL, which writes cores into the folder wsl-crashes of the Windows user's temporary folder",
            "copy them from there: cp /mnt/c/Users/NAME/AppData/Local/Temp/wsl-crashes/*.dmp .",
        )
    }),
    Row::reason("pattern_pipe_apport_missing", |situation| {
        sent_to(situation, &["apport"])?;
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
    Row::reason("pattern_pipe_interpreter_missing", |situation| {
        let pipe = pipe(situation)?;
        (situation.receiver == Receiver::WithoutInterpreter).then_some(())?;
        words(
            format!(
                "cores go to the script {}, whose interpreter is missing, so they are lost",
                quoted(&pipe.program)
            ),
            format!("install what the script's first line names, or {}", send_cores_to_files(situation)),
        )
    }),
    Row::reason("pattern_socket_missing", |situation| {
        socket(situation)?;
        gone(situation)?;
        words(
            format!("cores go to a socket that is not there, so they are lost: {}", pattern(situation)),
            start_its_server(situation),
        )
    }),
    Row::reason("pattern_socket_refused", |situation| {
        socket(situation)?;
        (situation.receiver == Receiver::NotListening).then_some(())?;
        words(
            format!("cores go to a socket that nobody listens on, so they are lost: {}", pattern(situation)),
            start_its_server(situation),
        )
    }),
];

/// Somebody takes the cores, of whom nothing else is known.
pub(super) const KEPT: &[Row] = &[
    Row::elsewhere("pattern_pipe_unknown", |situation| {
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
    Row::elsewhere("pattern_socket", |situation| {
        socket(situation)?;
        words(
            format!("cores go to the server of a socket, not into files: {}", pattern(situation)),
            format!(
                "ask who runs the host where that server keeps them, or {}",
                send_cores_to_files(situation)
            ),
        )
    }),
    Row::risk("pipe_limit", |situation| {
        pipe(situation)?;
        let most = Some(situation.pipe_limit).filter(|most| *most > 0)?;
        words(
            format!("while {most} cores are being taken by programs, those of further crashes are dropped"),
            "where many processes crash at once, raise the limit: sudo sysctl kernel.core_pipe_limit=64",
        )
    }),
];

fn socket(situation: &Situation) -> Option<()> {
    matches!(situation.pattern.as_ref().ok()?.target(), Target::Socket(_)).then_some(())
}

fn start_its_server(situation: &Situation) -> String {
    let server = match own_way(situation) {
        Some(_) => "start epitaph's own server: epitaph handler serve",
        None => "start its server",
    };
    format!("{server}; or {}", send_cores_to_files(situation))
}

fn gone(situation: &Situation) -> Option<()> {
    matches!(situation.receiver, Receiver::Missing | Receiver::Unusable).then_some(())
}
