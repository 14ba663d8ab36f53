//! The name that a crash gets.

use std::io::Write as _;

use super::{FilePattern, Specifier, Token};

/// What the kernel knows of a crash when it names the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Process id in the crasher's own pid namespace.
    pub pid: u32,
    /// Process id on the host.
    pub host_pid: u32,
    /// Id of the crashing thread in its own pid namespace.
    pub tid: u32,
    /// Id of the crashing thread on the host.
    pub host_tid: u32,
    /// Real user id on the host.
    pub uid: u32,
    /// Real group id on the host.
    pub gid: u32,
    /// 0, 1 or 2, see `PR_SET_DUMPABLE`.
    pub dumpable: u8,
    /// Number of the signal.
    pub signal: u32,
    /// Seconds since 1970.
    pub time: u64,
    /// Host name.
    pub host_name: Vec<u8>,
    /// Name of the crashing thread (`comm`).
    pub thread_name: Vec<u8>,
    /// Path of the executable as the crasher's root folder has it, if the process still has one.
    pub executable: Option<Vec<u8>>,
    /// Soft limit of the core's size in bytes; `u64::MAX` where there is none.
    pub core_limit: u64,
    /// Processor that the thread ran on.
    pub cpu: u32,
}

impl Default for Facts {
    /// An ordinary crash, of which only the unimportant is known.
    fn default() -> Facts {
        Facts {
            pid: 1,
            host_pid: 1,
            tid: 1,
            host_tid: 1,
            uid: 0,
            gid: 0,
            dumpable: 1,
            signal: 11,
            time: 0,
            host_name: b"localhost".to_vec(),
            thread_name: b"a".to_vec(),
            executable: None,
            core_limit: u64::MAX,
            cpu: 0,
        }
    }
}

impl Facts {
    /// Returns the text that the kernel puts in place of `specifier`.
    pub fn value(&self, specifier: Specifier) -> Vec<u8> {
        let number = match specifier {
            Specifier::Pid => u64::from(self.pid),
            Specifier::HostPid => u64::from(self.host_pid),
            Specifier::Tid => u64::from(self.tid),
            Specifier::HostTid => u64::from(self.host_tid),
            Specifier::Uid => u64::from(self.uid),
            Specifier::Gid => u64::from(self.gid),
            Specifier::Dumpable => u64::from(self.dumpable),
            Specifier::Signal => u64::from(self.signal),
            Specifier::Time => self.time,
            Specifier::CoreLimit => self.core_limit,
            Specifier::Cpu => u64::from(self.cpu),
            Specifier::HostName => return made_safe(self.host_name.clone()),
            Specifier::ThreadName => return made_safe(self.thread_name.clone()),
            Specifier::Executable => return made_safe(self.executable_text()),
            Specifier::FileName => {
                let path = self.executable_text();
                return made_safe(path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec());
            }
        };
        let mut text = Vec::new();
        // Writing to a vector cannot fail.
        let _ = write!(text, "{number}");
        text
    }

    fn executable_text(&self) -> Vec<u8> {
        self.executable.clone().unwrap_or_else(|| [self.thread_name.as_slice(), b" (path unknown)"].concat())
    }
}

impl FilePattern {
    /// Returns the path of the core of a crash.
    pub fn expand(&self, facts: &Facts) -> Vec<u8> {
        let mut path = Vec::new();
        for token in &self.tokens {
            match token {
                Token::Text(text) => path.extend_from_slice(text),
                Token::Value(specifier) => path.extend(facts.value(*specifier)),
            }
        }
        path
    }
}

/// Keeps a value from changing the folder: no slash, not `.` or `..`, not empty. All else passes, as in the
/// kernel.
fn made_safe(mut value: Vec<u8>) -> Vec<u8> {
    if value.is_empty() {
        value.push(b'!');
    }
    if matches!(value.as_slice(), b"." | b"..")
        && let Some(first) = value.first_mut()
    {
        *first = b'!';
    }
    for byte in &mut value {
        if *byte == b'/' {
            *byte = b'!';
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::{CorePattern, Rules};

    fn facts() -> Facts {
        Facts {
            pid: 4711,
            host_pid: 104711,
            tid: 4712,
            host_tid: 104712,
            uid: 1000,
            gid: 1001,
            dumpable: 2,
            signal: 6,
            time: 1_763_800_000,
            host_name: b"build-7.example".to_vec(),
            thread_name: b"worker 1".to_vec(),
            executable: Some(b"/jobs/bin/parser".to_vec()),
            core_limit: u64::MAX,
            cpu: 3,
        }
    }

    fn expand(pattern: &str, facts: &Facts) -> String {
        let path = CorePattern::parse(pattern, Rules::default()).expand(facts).unwrap();
        String::from_utf8(path).unwrap()
    }

    #[test]
    fn each_specifier_has_its_value() {
        for (pattern, name) in [
            ("core", "core"),
            ("%%.%p.%P", "%.4711.104711"),
            ("%i.%I", "4712.104712"),
            ("%u.%g.%d.%s", "1000.1001.2.6"),
            ("%t", "1763800000"),
            ("%h", "build-7.example"),
            ("%e", "worker 1"),
            ("%f", "parser"),
            ("core.%p.%E", "core.4711.!jobs!bin!parser"),
            ("%c", "18446744073709551615"),
            ("%C", "3"),
            ("x%F%zy%", "xy"),
            ("/cores/%e/%p", "/cores/worker 1/4711"),
        ] {
            assert_eq!(expand(pattern, &facts()), name, "{pattern}");
        }
    }

    #[test]
    fn values_cannot_leave_the_folder() {
        let named = |name: &str| Facts { thread_name: name.into(), ..facts() };
        for (name, value) in [
            ("../../etc/x", "..!..!etc!x"),
            ("/", "!"),
            (".", "!"),
            ("..", "!."),
            ("...", "..."),
            ("", "!"),
            ("a\nb\x1b[0m", "a\nb\x1b[0m"),
        ] {
            assert_eq!(expand("%e", &named(name)), value, "{name:?}");
        }
        assert_eq!(expand("%h", &Facts { host_name: b"..".to_vec(), ..facts() }), "!.");
    }

    #[test]
    fn a_process_without_an_executable_is_named_by_its_thread() {
        let gone = Facts { executable: None, ..facts() };
        assert_eq!(expand("%E", &gone), "worker 1 (path unknown)");
        assert_eq!(expand("%f", &gone), "worker 1 (path unknown)");
    }

    #[test]
    fn programs_and_sockets_get_no_file() {
        assert_eq!(CorePattern::parse("|/bin/x %p", Rules::default()).expand(&facts()), None);
        assert_eq!(CorePattern::parse("@/run/x", Rules::default()).expand(&facts()), None);
    }
}
