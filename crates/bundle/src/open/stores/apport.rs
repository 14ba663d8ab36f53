//! Reports that apport wrote of crashes (`/var/crash/*.crash`): fields of text, one of them the core.
//!
//! A field is `Name: value`, or `Name:` and lines that begin with a space. Binary values are `Name: base64`, and then
//! one base64 text a line: of a gzip stream, or in newer releases also of a zstd one (apport, `problem_report.py`).

use std::io::{self, BufRead, BufReader, Read};

use epitaph_elf::ReadAt;

use super::base64_lines::Base64Lines;
use super::{LONGEST_VALUE, StoreFacts, text};
use crate::open::wrapper::FromStart;

/// The field with the core, and its value on the first line.
const CORE_DUMP: &[u8] = b"CoreDump: base64";
/// The most bytes of a report that are searched for its core: logs that were attached may precede it.
const MOST_TEXT: u64 = 256 << 20;

/// Fields that are kept as they are, and how they are called here.
const KEPT: [(&str, &str); 6] = [
    ("Package", "package"),
    ("SourcePackage", "component"),
    ("DistroRelease", "os_release"),
    ("Uname", "kernel"),
    ("Date", "date"),
    ("ProcCwd", "working_folder"),
];

/// Returns a reader of the value of a report's core, which may be compressed; `None` if the report has no core.
pub(crate) fn core_dump<R: BufRead>(mut report: R) -> io::Result<Option<Base64Lines<R>>> {
    let found = each_line(&mut report, &mut |_| {})?;
    Ok(found.then(|| Base64Lines::new(report)))
}

/// Reads what the report in `file` says of the crash.
pub(crate) fn facts(file: &dyn ReadAt) -> StoreFacts {
    let mut facts = Fields { facts: StoreFacts::of("apport"), in_status: false };
    // A report that breaks off in its text tells as much as it can.
    let _ = each_line(&mut BufReader::new(FromStart { file, at: 0 }), &mut |line| facts.take(line));
    facts.facts
}

/// Hands each line of a report's text to `each`, the long ones cut; tells whether the core comes next.
fn each_line(report: &mut impl BufRead, each: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
    let mut line = Vec::new();
    let mut searched = 0;
    while searched < MOST_TEXT {
        line.clear();
        let count = report.by_ref().take(LONGEST_VALUE as u64).read_until(b'\n', &mut line)?;
        if count == 0 {
            return Ok(false);
        }
        searched += count as u64;
        match line.strip_suffix(b"\n") {
            Some(CORE_DUMP) => return Ok(true),
            Some(line) => each(line),
            None => {
                each(&line);
                searched += report.skip_until(b'\n')? as u64;
            }
        }
    }
    Ok(false)
}

/// What the fields said so far.
struct Fields {
    facts: StoreFacts,
    /// Whether the last field is `ProcStatus`.
    in_status: bool,
}

impl Fields {
    fn take(&mut self, line: &[u8]) {
        if let Some(line) = line.strip_prefix(b" ") {
            if self.in_status {
                self.take_status(line);
            }
            return;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = line.split_at(colon);
        self.in_status = name == b"ProcStatus";
        let value = text(value.get(1..).unwrap_or_default().trim_ascii());
        let process = &mut self.facts.process;
        match name {
            b"ExecutablePath" => process.executable = value,
            b"ProcCmdline" => process.command_line = value,
            b"Signal" => self.facts.signal = value.and_then(|signal| signal.parse().ok()),
            _ => {
                if let Some((_, kept)) = KEPT.iter().find(|(field, _)| name == field.as_bytes()) {
                    self.facts.keep(kept, value);
                }
            }
        }
    }

    /// Takes a line of the process's `/proc/PID/status`: `Uid:`, and the real one before three others.
    fn take_status(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let Some((name, value)) = line.split_once(':') else { return };
        let number = value.split_whitespace().next().and_then(|number| number.parse().ok());
        let process = &mut self.facts.process;
        match name {
            "Name" => process.name = text(value.trim().as_bytes()),
            "Pid" => process.pid = number,
            "PPid" => process.ppid = number,
            "Uid" => process.uid = number,
            "Gid" => process.gid = number,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const REPORT: &[u8] = b"ProblemType: Crash\nArchitecture: amd64\nDate: Wed Nov  1 10:00:00 2023\n\
        ExecutablePath: /usr/bin/parser\nPackage: parser 1.0\nProcCmdline: parser --in x\n\
        ProcMaps:\n 55d0-55d1 r--p 00000000 08:01 1 /usr/bin/parser\n Pid: 9\n\
        ProcStatus:\n Name:\tparser\n Pid:\t4711\n PPid:\t1\n Uid:\t1000\t0\t0\t0\n Gid:\t100\t0\t0\t0\n\
        Signal: 11\nJunk: base64\n AAAA\nCoreDump: base64\n aGVs\n bG8=\nTags: x\n";

    #[test]
    fn fields_tell_of_the_process() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(REPORT).unwrap();
        let facts = facts(&file);
        let process = &facts.process;
        assert_eq!(facts.collector, "apport");
        assert_eq!(process.executable.as_deref(), Some("/usr/bin/parser"));
        assert_eq!(process.command_line.as_deref(), Some("parser --in x"));
        assert_eq!((process.pid, process.ppid), (Some(4711), Some(1)));
        assert_eq!((process.uid, process.gid), (Some(1000), Some(100)));
        assert_eq!(process.name.as_deref(), Some("parser"));
        assert_eq!(facts.signal, Some(11));
        assert_eq!(facts.others["package"], "parser 1.0");
        assert_eq!(facts.others["date"], "Wed Nov  1 10:00:00 2023");
    }

    #[test]
    fn the_core_is_found_behind_long_lines_and_ends_where_its_field_does() {
        let long = [b"Log: ".to_vec(), vec![b'x'; 3 * LONGEST_VALUE], b"\n".to_vec()].concat();
        for report in [REPORT.to_vec(), [&REPORT[..19], &long, &REPORT[19..]].concat()] {
            let mut core = String::new();
            core_dump(report.as_slice()).unwrap().unwrap().read_to_string(&mut core).unwrap();
            assert_eq!(core, "hello");
        }
        let end = REPORT.windows(8).position(|part| part == b"CoreDump").unwrap();
        assert!(core_dump(&REPORT[..end]).unwrap().is_none());
    }
}
