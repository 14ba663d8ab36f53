//! Cores that go to a collector that is known: systemd-coredump, apport, abrt, our own handler.

use super::{Row, Situation, Words, send_cores_to_files, sent_to, words};
use crate::handler::{OwnPattern, Way};
use crate::limits::LEAST_FOR_A_CORE;
use crate::pattern::Pipe;

/// Folders whose programs came in packages, as far as apport cares.
const PACKAGED: [&str; 7] = ["/usr/", "/bin/", "/sbin/", "/lib", "/etc/", "/opt/", "/var/"];
/// And the one beneath them whose programs did not.
const UNPACKAGED: &str = "/usr/local/";

pub(super) const ROWS: &[Row] = &[
    Row::reason("pattern_pipe_systemd_container", |situation| {
        systemd(situation)?;
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
        apport(situation)?;
        let evidence = situation.container?;
        words(
            format!(
                "cores go to apport on the host, which drops those of containers, and this is one \
                 ({evidence})"
            ),
            send_cores_to_files(situation),
        )
    }),
    Row::reason("pattern_pipe_systemd_limit", |situation| {
        systemd(situation)?;
        situation.limit.soft.filter(|soft| *soft < LEAST_FOR_A_CORE)?;
        words(
            "cores go to systemd-coredump, which stores none where the core size limit is below a page",
            "raise it in the step that crashes: ulimit -c unlimited; then `coredumpctl list` shows the core",
        )
    }),
    Row::reason("pattern_pipe_systemd_down", |situation| {
        systemd(situation)?;
        situation.systemd.socket_missing.then_some(())?;
        words(
            "cores go to systemd-coredump, whose socket /run/systemd/coredump is not there, so they are lost",
            format!(
                "start it: sudo systemctl start systemd-coredump.socket; where systemd is not running, {}",
                send_cores_to_files(situation)
            ),
        )
    }),
    Row::reason("pattern_pipe_systemd_storage", |situation| {
        systemd(situation)?;
        situation.systemd.keeps_none.then_some(())?;
        words(
            "cores go to systemd-coredump, and its settings say that none is kept (Storage=none, or a size of 0)",
            format!(
                "set Storage=external, ProcessSizeMax and ExternalSizeMax in /etc/systemd/coredump.conf, or {}",
                send_cores_to_files(situation)
            ),
        )
    }),
    Row::elsewhere("pattern_pipe_abrt", |situation| {
        let by_systemd = systemd(situation).filter(|_| situation.systemd.abrt);
        by_systemd.or_else(|| outside_of_containers(situation, "abrt-hook-ccpp"))?;
        words(
            "cores go to abrt, which keeps them in /var/spool/abrt; since 2019 systemd-coredump has them as well",
            format!(
                "look into /var/spool/abrt, or fetch the core: coredumpctl dump -o core PID; or {}",
                send_cores_to_files(situation)
            ),
        )
    }),
    Row::elsewhere("pattern_pipe_systemd", |situation| {
        systemd(situation)?;
        words(
            "cores go to systemd-coredump, which keeps them in /var/lib/systemd/coredump",
            format!("fetch the core: coredumpctl dump -o core PID; or {}", send_cores_to_files(situation)),
        )
    }),
    Row::reason("pattern_pipe_apport_limit", |situation| {
        apport(situation).filter(|_| is_packaged(situation) == Some(false))?;
        (situation.limit.soft == Some(0)).then_some(())?;
        words(
            "cores go to apport, which keeps none of a program that is in no package while the core size limit is 0",
            format!(
                "raise it in the step that crashes: ulimit -c unlimited; or {}",
                send_cores_to_files(situation)
            ),
        )
    }),
    Row::elsewhere("pattern_pipe_apport_unpackaged", |situation| {
        apport(situation).filter(|_| is_packaged(situation) == Some(false))?;
        words(
            "cores go to apport, which keeps those of programs that are in no package in \
             /var/lib/apport/coredump: five at most, none beyond the core size limit, one at a time",
            format!("look there and into /var/log/apport.log, or {}", send_cores_to_files(situation)),
        )
    }),
    Row::elsewhere("pattern_pipe_apport", apport_keeps),
    Row::elsewhere("pattern_pipe_epitaph", |situation| {
        let Way::Program { .. } = own_way(situation)? else { return None };
        own_handler_keeps(situation, "epitaph's own handler")
    }),
    Row::elsewhere("pattern_socket_epitaph", |situation| {
        let Way::Socket { .. } = own_way(situation)? else { return None };
        own_handler_keeps(situation, "the socket of epitaph's own handler, which is served")
    }),
    Row::risk("systemd_sizes", |situation| {
        systemd(situation)?;
        let limits = Some(&situation.systemd.limits).filter(|limits| !limits.is_empty())?;
        words(
            format!("systemd-coredump cuts or removes cores by these settings: {}", limits.join(", ")),
            "raise them in /etc/systemd/coredump.conf if cores are large or many",
        )
    }),
    Row::risk("systemd_without_journal", |situation| {
        systemd(situation)
            .filter(|_| situation.systemd.journal_missing && !situation.systemd.socket_missing)?;
        words(
            "the journal is not running, so coredumpctl lists no core",
            "look for the files themselves in /var/lib/systemd/coredump",
        )
    }),
];

fn systemd(situation: &Situation) -> Option<&Pipe> {
    sent_to(situation, &["systemd-coredump"])
}

fn apport(situation: &Situation) -> Option<&Pipe> {
    sent_to(situation, &["apport"])
}

fn outside_of_containers<'a>(situation: &'a Situation, program: &str) -> Option<&'a Pipe> {
    sent_to(situation, &[program]).filter(|_| situation.container.is_none())
}

/// Returns how cores come to our own handler, if they do.
pub(super) fn own_way(situation: &Situation) -> Option<Way> {
    OwnPattern::of(situation.pattern.as_ref().ok()?).map(|own| own.way)
}

fn own_handler_keeps(situation: &Situation, receiver: &str) -> Option<Words> {
    let sentence = match situation.container {
        Some(evidence) => {
            format!("cores go to epitaph's own handler on the host, outside of this container ({evidence})")
        }
        None => format!("cores go to {receiver}"),
    };
    words(sentence, "look what it has and whether it works: epitaph handler status")
}

fn apport_keeps(situation: &Situation) -> Option<Words> {
    apport(situation)?;
    let limit = match situation.limit.soft {
        Some(0) => ", and none at all of other programs while the core size limit is 0",
        _ => "",
    };
    words(
        format!(
            "cores go to apport, which keeps those of packaged programs in /var/crash and a few others in \
             /var/lib/apport/coredump{limit}"
        ),
        format!("look there and into /var/log/apport.log, or {}", send_cores_to_files(situation)),
    )
}

/// Tells whether the command's program probably came in a package; `None` where it isn't known.
fn is_packaged(situation: &Situation) -> Option<bool> {
    let path = situation.command.as_ref()?.executable.as_ref()?.to_str()?;
    Some(PACKAGED.iter().any(|folder| path.starts_with(folder)) && !path.starts_with(UNPACKAGED))
}
