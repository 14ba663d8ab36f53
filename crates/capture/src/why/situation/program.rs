//! What the command's program is, where that decides about its core.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use epitaph_elf::{Bytes, Object};
use memchr::memmem;
use rustix::fs::{Access, access, getxattr};
use rustix::process::{getegid, geteuid};

/// The extended attribute that holds a file's capabilities, see capabilities(7).
const CAPABILITIES: &str = "security.capability";
/// Functions with which the runtimes of the sanitizers begin.
const SANITIZERS: [&[u8]; 5] =
    [b"__asan_init", b"__lsan_init", b"__msan_init", b"__tsan_init", b"__ubsan_handle_"];
/// A section that only Go's linker makes.
const GO_SECTION: &str = ".go.buildinfo";

/// What the command's program is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// What makes its processes dump cores only where `fs.suid_dumpable` allows that.
    pub guarded: Option<Guarded>,
    /// Whether it has the runtime of a sanitizer.
    pub sanitized: bool,
    /// Whether Go's tools made it.
    pub go: bool,
}

/// What makes a program's processes dump cores only where `fs.suid_dumpable` allows that (proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarded {
    /// It runs as another user.
    SetUser,
    /// It runs as another group.
    SetGroup,
    /// Its file has capabilities.
    Capabilities,
    /// This user may execute it and may not read it.
    Unreadable,
}

impl Program {
    /// Looks at the file that this process executed.
    pub(super) fn of(path: &Path) -> Program {
        let Some(metadata) = std::fs::metadata(path).ok().filter(Metadata::is_file) else {
            return Program::default();
        };
        let object = File::open(path).and_then(|file| Bytes::map(&file)).ok().map(Object::parse);
        let object = object.and_then(Result::ok);
        Program {
            guarded: guarded(path, &metadata),
            sanitized: object.as_ref().is_some_and(has_sanitizer),
            go: object.as_ref().is_some_and(|object| object.has_section(GO_SECTION)),
        }
    }
}

fn guarded(path: &Path, metadata: &Metadata) -> Option<Guarded> {
    const SET_USER: u32 = 0o4000;
    const SET_GROUP: u32 = 0o2000;
    match () {
        () if metadata.mode() & SET_USER != 0 && metadata.uid() != geteuid().as_raw() => {
            Some(Guarded::SetUser)
        }
        () if metadata.mode() & SET_GROUP != 0 && metadata.gid() != getegid().as_raw() => {
            Some(Guarded::SetGroup)
        }
        // Root has them all without the file's help.
        () if !geteuid().is_root() && getxattr(path, CAPABILITIES, &mut [0; 64]).is_ok() => {
            Some(Guarded::Capabilities)
        }
        () if access(path, Access::READ_OK).is_err() => Some(Guarded::Unreadable),
        () => None,
    }
}

fn has_sanitizer(object: &Object) -> bool {
    let names = object.section(".dynstr").ok().flatten().unwrap_or_default();
    SANITIZERS.iter().any(|name| memmem::find(names, name).is_some())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::*;

    #[test]
    fn an_ordinary_program_is_not_guarded() {
        assert_eq!(Program::of(&std::env::current_exe().unwrap()), Program::default());
        assert_eq!(Program::of(Path::new("/nowhere")), Program::default());
    }

    #[test]
    fn a_program_that_becomes_another_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("program");
        std::fs::write(&file, "").unwrap();
        let set = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        set(0o4755);
        assert_eq!(Program::of(&file).guarded, None, "it becomes whom it is already");
        if !geteuid().is_root() {
            set(0o711 & !0o444);
            assert_eq!(Program::of(&file).guarded, Some(Guarded::Unreadable));
            return;
        }
        chown(&file, Some(65534), Some(65534)).unwrap();
        set(0o4755);
        assert_eq!(Program::of(&file).guarded, Some(Guarded::SetUser));
        set(0o2755);
        assert_eq!(Program::of(&file).guarded, Some(Guarded::SetGroup));
        set(0o755);
        assert_eq!(Program::of(&file).guarded, None);
    }
}
