//! Paths beneath another root.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Most symbolic links on the way to one file, as in the kernel (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Finds what `path` is to a process whose root is `root`: symbolic links are followed as they would be there, an
/// absolute one from `root`, and neither they nor `..` lead out of it.
///
/// What isn't there is looked for no further: the rest of the path is appended as it stands.
pub(crate) fn beneath(root: &Path, path: &Path) -> PathBuf {
    let mut rest: VecDeque<OsString> = VecDeque::new();
    push_front(&mut rest, path);
    let mut inside = PathBuf::new();
    let mut links = 0;
    while let Some(next) = rest.pop_front() {
        if next == ".." {
            inside.pop();
            continue;
        }
        let at = root.join(&inside).join(&next);
        match std::fs::read_link(&at) {
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                if target.is_absolute() {
                    inside = PathBuf::new();
                }
                push_front(&mut rest, &target);
            }
            _ => inside.push(next),
        }
    }
    root.join(inside)
}

/// Puts the names of a path before those that are left.
fn push_front(rest: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => rest.push_front(name.to_owned()),
            Component::ParentDir => rest.push_front(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use epitaph_testkit::scratch::Scratch;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_stays_beneath_the_root() {
        assert_eq!(beneath(Path::new("/root"), Path::new("/../../etc/./x")), Path::new("/root/etc/x"));
        assert_eq!(beneath(Path::new("/root"), Path::new("/a/../../b")), Path::new("/root/b"));
    }

    #[test]
    fn links_are_followed_inside_and_never_out() {
        let scratch = Scratch::new();
        let root = scratch.path("root");
        scratch.write("root/usr/lib/a.so", "inside");
        scratch.write("outside/a.so", "outside");
        symlink("usr/lib", root.join("lib")).unwrap();
        symlink("/usr/lib", root.join("lib64")).unwrap();
        symlink("../../../../outside", root.join("usr/out")).unwrap();
        symlink(scratch.path("outside"), root.join("usr/far")).unwrap();
        symlink("/lib64/a.so", root.join("usr/lib/link.so")).unwrap();
        let inside = root.join("usr/lib/a.so");
        for path in ["/lib/a.so", "/lib64/a.so", "/usr/lib/../lib/a.so", "/lib64/link.so", "/../lib64/a.so"] {
            assert_eq!(beneath(&root, Path::new(path)), inside, "{path}");
        }
        for path in ["/usr/out/a.so", "/usr/far/a.so"] {
            let at = beneath(&root, Path::new(path));
            assert!(at.starts_with(&root) && !at.exists(), "{path}: {}", at.display());
        }
    }

    #[test]
    fn links_in_a_circle_end() {
        let scratch = Scratch::new();
        symlink("b", scratch.path("a")).unwrap();
        symlink("/a", scratch.path("b")).unwrap();
        let at = beneath(scratch.folder(), Path::new("/a/x"));
        assert!(at.starts_with(scratch.folder()) && at.ends_with("x"));
    }
}
