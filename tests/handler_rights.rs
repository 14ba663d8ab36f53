//! What rights the handler's processes have, and who gets the cores of programs that have more than their user.
//!
//! As in the handler's other tests, settings of the host are changed under the lock that all share, and put back however
//! they end.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::handler::{NOBODY, Place, eventually, signal};
use crate::support::plain_environment;

/// Tries to read the memory of whatever a process starts, which takes the rights that tracing takes, and says of whom it
/// could.
const TRACER: &str = r#"echo begun
while [ -e "/proc/$0" ]; do
    { read -r pid rest <"/proc/$0/task/$0/children"; } 2>/dev/null
    if [ -n "$pid" ] && { : <"/proc/$pid/mem"; } 2>/dev/null; then echo "$pid"; exit; fi
done"#;

#[test]
fn no_process_of_its_user_can_trace_the_worker_at_any_time() {
    let Some(place) = Place::new() else { return };
    for _ in 0..5 {
        let mut handler = place.receive(Stdio::piped());
        let pid = handler.id().to_string();
        signal("STOP", pid.parse().unwrap());
        let mut tracer = Command::new("bash");
        plain_environment(&mut tracer).args(["-c", TRACER, &pid]).uid(NOBODY).gid(NOBODY).current_dir("/");
        let mut tracer = tracer.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = std::io::BufReader::new(tracer.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        assert_eq!(line, "begun\n");
        signal("CONT", pid.parse().unwrap());
        let worker = eventually("the worker has given up its rights", || {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
            let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", children.trim())).ok();
            let (limits, status) = (read("limits")?, read("status")?);
            status.contains("\nNoNewPrivs:\t1\n").then_some(limits + &status)
        });
        // It was limited before it was started: that is not left to itself.
        let largest = worker.lines().find_map(|line| line.strip_prefix("Max file size")).unwrap();
        let largest = largest.split_whitespace().map(str::parse::<u64>).take(2);
        assert!(largest.into_iter().all(|limit| limit.is_ok_and(|bytes| bytes <= 2 << 30)), "{worker}");
        let ids = format!("{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}\n");
        for given_up in [format!("\nUid:\t{ids}"), format!("\nGid:\t{ids}"), "\nGroups:\t \n".to_owned()] {
            assert!(worker.contains(&given_up), "{given_up:?}: {worker}");
        }
        handler.kill().unwrap();
        handler.wait().unwrap();
        line.clear();
        std::io::Read::read_to_string(&mut said, &mut line).unwrap();
        tracer.wait().unwrap();
        assert_eq!(line, "", "the memory of this process was open");
    }
}
