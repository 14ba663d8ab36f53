//! The values that a core pattern can ask for.

/// A specifier of core(5) that puts a value into a file name.
///
/// `%%` is plain text, `%F` exists for programs only, and unknown specifiers vanish: none of them is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Specifier {
    /// `%p`: process id, as the crasher's own pid namespace has it.
    Pid,
    /// `%P`: process id on the host.
    HostPid,
    /// `%i`: id of the crashing thread, as its own pid namespace has it.
    Tid,
    /// `%I`: id of the crashing thread on the host.
    HostTid,
    /// `%u`: real user id on the host.
    Uid,
    /// `%g`: real group id on the host.
    Gid,
    /// `%d`: 0, 1 or 2, see `PR_SET_DUMPABLE`.
    Dumpable,
    /// `%s`: number of the signal.
    Signal,
    /// `%t`: seconds since 1970.
    Time,
    /// `%h`: host name.
    HostName,
    /// `%e`: name of the crashing thread, at most 15 bytes.
    ThreadName,
    /// `%f`: file name of the executable (since Linux 5.9).
    FileName,
    /// `%E`: path of the executable, each `/` written as `!`.
    Executable,
    /// `%c`: soft limit of the core's size in bytes.
    CoreLimit,
    /// `%C`: processor that the thread ran on (since Linux 6.2).
    Cpu,
}

impl Specifier {
    /// Returns the specifier of a letter, unless the kernel would drop it from a file name.
    pub fn of_letter(letter: u8) -> Option<Specifier> {
        Some(match letter {
            b'p' => Specifier::Pid,
            b'P' => Specifier::HostPid,
            b'i' => Specifier::Tid,
            b'I' => Specifier::HostTid,
            b'u' => Specifier::Uid,
            b'g' => Specifier::Gid,
            b'd' => Specifier::Dumpable,
            b's' => Specifier::Signal,
            b't' => Specifier::Time,
            b'h' => Specifier::HostName,
            b'e' => Specifier::ThreadName,
            b'f' => Specifier::FileName,
            b'E' => Specifier::Executable,
            b'c' => Specifier::CoreLimit,
            b'C' => Specifier::Cpu,
            _ => return None,
        })
    }

    /// Returns the letter after the `%`.
    pub fn letter(self) -> char {
        match self {
            Specifier::Pid => 'p',
            Specifier::HostPid => 'P',
            Specifier::Tid => 'i',
            Specifier::HostTid => 'I',
            Specifier::Uid => 'u',
            Specifier::Gid => 'g',
            Specifier::Dumpable => 'd',
            Specifier::Signal => 's',
            Specifier::Time => 't',
            Specifier::HostName => 'h',
            Specifier::ThreadName => 'e',
            Specifier::FileName => 'f',
            Specifier::Executable => 'E',
            Specifier::CoreLimit => 'c',
            Specifier::Cpu => 'C',
        }
    }

    /// Returns what its values can be.
    pub(super) fn domain(self) -> Domain {
        // Names: TASK_COMM_LEN and __NEW_UTS_LEN without their NUL, and NAME_MAX.
        match self {
            Specifier::ThreadName => Domain::Text { longest: 15 },
            Specifier::HostName => Domain::Text { longest: 64 },
            Specifier::FileName | Specifier::Executable => Domain::Text { longest: 255 },
            // PID_MAX_LIMIT is 2^22 on 64-bit hosts.
            Specifier::Pid | Specifier::HostPid | Specifier::Tid | Specifier::HostTid => {
                Domain::Number { usual: (1, 1 << 22), most: i32::MAX as u64 }
            }
            Specifier::Uid | Specifier::Gid => Domain::Number { usual: (0, 99_999), most: u32::MAX as u64 },
            Specifier::Dumpable => Domain::Number { usual: (0, 2), most: 2 },
            Specifier::Signal => Domain::Number { usual: (1, 64), most: 128 },
            // Ten digits: from 2001 to 2286. A host without a clock may say anything.
            Specifier::Time => {
                Domain::Number { usual: (1_000_000_000, 9_999_999_999), most: i64::MAX as u64 }
            }
            Specifier::CoreLimit => Domain::Number { usual: (0, u64::MAX), most: u64::MAX },
            Specifier::Cpu => Domain::Number { usual: (0, 8191), most: i32::MAX as u64 },
        }
    }
}

/// What the values of a specifier can be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Domain {
    /// Decimal digits without a leading zero.
    Number {
        /// Smallest and largest value that a real host gives.
        usual: (u64, u64),
        /// The largest value that the kernel can print.
        most: u64,
    },
    /// One or more bytes, never `/`, never `.` or `..`.
    Text {
        /// The most bytes it can have.
        longest: usize,
    },
}
