//! Making inputs, once: they are kept as long as their rule and sources are the same.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash as _, Hasher as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use epitaph_testkit::crash::{CoresHere, sources_folder};
use nix::fcntl::{Flock, FlockArg};

use super::{Input, Made};
use crate::BenchError;
use crate::run::remove;

/// Written last into an input's folder: what was made there is whole.
const WHOLE: &str = "made";

/// Where inputs are made and kept.
#[derive(Debug)]
pub struct Workshop {
    folder: PathBuf,
    testdata: PathBuf,
    _lock: Flock<File>,
}

impl Workshop {
    /// Keeps inputs in `folder`, which is locked as long as this lives: two that measure at once measure each other.
    ///
    /// # Errors
    /// When it can't be made, or another has it.
    pub fn new(folder: &Path) -> Result<Workshop, BenchError> {
        fs::create_dir_all(folder).map_err(BenchError::io(format!("creating {}", folder.display())))?;
        let folder =
            folder.canonicalize().map_err(BenchError::io(format!("finding {}", folder.display())))?;
        let path = folder.join("lock");
        let file = File::create(&path).map_err(BenchError::io(format!("creating {}", path.display())))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| {
            BenchError::Lacking(format!("another measurement holds {}: {}", path.display(), error.desc()))
        })?;
        let mut testdata = sources_folder();
        testdata.pop();
        Ok(Workshop { folder, testdata, _lock: lock })
    }

    /// Returns an input, made now or before.
    ///
    /// # Errors
    /// When this machine can't make it, with the reason.
    pub fn make(&self, input: &Input) -> Result<Made, BenchError> {
        if let Some(needed) = input.needs.as_ref().filter(|needed| needed.file.is_none()) {
            return Err(BenchError::Lacking(needed.otherwise.to_owned()));
        }
        let folder = self.folder.join(format!("{}-{:016x}", input.name, self.fingerprint(input)?));
        let io = |path: &Path| BenchError::io(format!("writing {}", path.display()));
        if !folder.join(WHOLE).is_file() {
            self.remove_older(&input.name)?;
            input.room.check(&self.folder)?;
            fs::create_dir(&folder).map_err(io(&folder))?;
            self.build(input, &folder)?;
            die(input, &folder)?;
            fs::write(folder.join(WHOLE), "").map_err(io(&folder))?;
        }
        let core = CoresHere::core_in(&folder.join("work"))
            .ok_or_else(|| failed(input, "no core is in its folder".to_owned()))?;
        let size = fs::metadata(&core).map_err(io(&core))?.len();
        Ok(Made { exe: folder.join("exe"), core, size })
    }

    /// Runs the rule.
    fn build(&self, input: &Input, folder: &Path) -> Result<(), BenchError> {
        let output = Command::new("sh")
            .args(["-euc", &input.rule])
            .env("TESTDATA", &self.testdata)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .map_err(BenchError::io("starting sh"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(input, String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }

    /// Hashes all that an input depends on.
    fn fingerprint(&self, input: &Input) -> Result<u64, BenchError> {
        let mut hasher = DefaultHasher::new();
        (&input.rule, &input.arguments, &self.testdata).hash(&mut hasher);
        for source in input.rule.split_whitespace().filter_map(|word| word.strip_prefix("$TESTDATA/")) {
            let path = self.testdata.join(source);
            let text = fs::read(&path).map_err(BenchError::io(format!("reading {}", path.display())))?;
            text.hash(&mut hasher);
        }
        if let Some(file) = input.needs.as_ref().and_then(|needed| needed.file.as_ref()) {
            file.hash(&mut hasher);
        }
        let version = Command::new("gcc").arg("--version").stdin(Stdio::null()).output();
        version.map_err(BenchError::io("starting gcc"))?.stdout.hash(&mut hasher);
        Ok(hasher.finish())
    }

    /// Removes what was made for this name by another rule, or not wholly: the disk is not ours alone.
    fn remove_older(&self, name: &str) -> Result<(), BenchError> {
        let reading = || BenchError::io(format!("reading {}", self.folder.display()));
        for entry in fs::read_dir(&self.folder).map_err(reading())? {
            let path = entry.map_err(reading())?.path();
            let of = path.file_name().and_then(|file| file.to_str()).and_then(|file| file.rsplit_once('-'));
            if of.is_some_and(|(of, _)| of == name) {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

/// Lets the program die, in a folder of its own.
fn die(input: &Input, folder: &Path) -> Result<(), BenchError> {
    let work = folder.join("work");
    fs::create_dir(&work).map_err(BenchError::io(format!("creating {}", work.display())))?;
    let _here = CoresHere::acquire()?;
    // 8 MiB of stack, as Linux has it by default: a stack overflow is as deep here as elsewhere.
    let status = Command::new("sh")
        .args(["-c", r#"ulimit -c unlimited && ulimit -S -s 8192 && exec "$0" "$@""#])
        .arg(folder.join("exe"))
        .args(&input.arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir(&work)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(BenchError::io("starting sh"))?;
    if status.core_dumped() {
        return Ok(());
    }
    Err(failed(input, format!("it should have died of a signal and left a core, but: {status}")))
}

fn failed(input: &Input, why: String) -> BenchError {
    BenchError::Input { input: input.name.clone(), why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Room;

    #[test]
    fn an_input_is_made_once_and_anew_when_its_rule_changes() {
        if epitaph_testkit::crash::or_skip(CoresHere::acquire()).is_none() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let workshop = Workshop::new(folder.path()).unwrap();
        let mut input = Input {
            name: "shell".to_owned(),
            rule: "cp \"$(command -v sh)\" exe".to_owned(),
            arguments: vec!["-c".to_owned(), "kill -SEGV $$".to_owned()],
            room: Room::default(),
            needs: None,
        };
        let made = workshop.make(&input).unwrap();
        assert!(made.size > 4096);
        let time = fs::metadata(&made.core).unwrap().modified().unwrap();
        let again = workshop.make(&input).unwrap();
        assert_eq!(fs::metadata(again.core).unwrap().modified().unwrap(), time);
        input.rule.push_str(" && : other");
        let other = workshop.make(&input).unwrap();
        assert_ne!(other.core, made.core);
        assert!(!made.core.exists(), "what an older rule made is in the way");
    }

    #[test]
    fn two_dont_measure_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let first = Workshop::new(folder.path()).unwrap();
        let error = Workshop::new(folder.path()).unwrap_err();
        assert!(error.to_string().contains("another measurement"), "{error}");
        drop(first);
        Workshop::new(folder.path()).unwrap();
    }

    #[test]
    fn a_rule_that_fails_says_why_and_leaves_nothing_to_be_taken_for_whole() {
        let folder = tempfile::tempdir().unwrap();
        let workshop = Workshop::new(folder.path()).unwrap();
        let input = Input {
            name: "none".to_owned(),
            rule: "echo out of paper >&2; false".to_owned(),
            arguments: Vec::new(),
            room: Room::default(),
            needs: None,
        };
        for _ in 0..2 {
            let error = workshop.make(&input).unwrap_err().to_string();
            assert!(error.contains("none failed: out of paper"), "{error}");
        }
    }
}
