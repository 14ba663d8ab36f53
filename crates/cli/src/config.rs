//! The project's own rules: `epitaph.toml`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use epitaph_summary::{Rules, Settings};

use crate::args::ConfigArgs;
use crate::error::{Error, message};
use crate::terminal;

/// What the file is called.
const FILE_NAME: &str = "epitaph.toml";
/// What the root folder of a repository holds.
const REPOSITORY: [&str; 3] = [".git", ".hg", ".jj"];

/// Returns the rules to judge by: the built-in ones, and those of the file that was given or is found.
pub(crate) fn rules(args: &ConfigArgs) -> Result<Arc<Rules>, Error> {
    if args.no_config {
        return Ok(Arc::default());
    }
    let found = || std::env::current_dir().ok().and_then(|folder| find(&folder));
    match args.config.clone().or_else(found) {
        Some(path) => read(&path).map(Arc::new),
        None => Ok(Arc::default()),
    }
}

/// As [`rules`], where crashes are to be kept whatever is wrong with a file: then a warning tells of it.
pub(crate) fn rules_or_warning(args: &ConfigArgs) -> Arc<Rules> {
    rules(args).unwrap_or_else(|error| {
        error.print_as_warning();
        terminal::hint("this goes on with the built-in rules");
        Arc::default()
    })
}

fn read(path: &Path) -> Result<Rules, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::from(error).context(format!("cannot read {}", path.display())))?;
    let settings = Settings::parse(&text).map_err(|error| {
        let hint = "--no-config does without it";
        message(format!("{}: {error}", path.display()), Some(hint))
    })?;
    Ok(Rules::with(settings))
}

/// Finds the file in a folder or the nearest one above, up to the root of the repository that it is in. Outside of a
/// repository only the folder itself is looked at: who owns those above is not known.
fn find(folder: &Path) -> Option<PathBuf> {
    let is_root = |folder: &&Path| REPOSITORY.iter().any(|mark| folder.join(mark).exists());
    let root = folder.ancestors().find(is_root).unwrap_or(folder);
    let inside = folder.ancestors().take_while(|above| above.starts_with(root));
    inside.map(|above| above.join(FILE_NAME)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_in_the_repository_is_found() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("repository");
        let deep = root.join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        let file = |folder: &Path| std::fs::write(folder.join(FILE_NAME), "").unwrap();
        file(outside.path());
        assert_eq!(find(&deep), None, "only the folder itself, outside of a repository");
        std::fs::create_dir(root.join(".git")).unwrap();
        assert_eq!(find(&deep), None, "nothing above the repository");
        file(&root);
        assert_eq!(find(&deep), Some(root.join(FILE_NAME)));
        file(&deep);
        assert_eq!(find(&deep), Some(deep.join(FILE_NAME)));
    }

    #[test]
    fn what_is_wrong_is_told_with_file_line_and_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let args = ConfigArgs { config: Some(path.clone()), no_config: false };
        assert!(rules(&args).unwrap_err().to_string().contains(&path.display().to_string()));
        std::fs::write(&path, "[frames]\ncutt = [\"a\"]\n").unwrap();
        let text = rules(&args).unwrap_err().to_string();
        assert!(text.contains("epitaph.toml: line 2: ") && text.contains("cutt"), "{text}");
        assert_eq!(rules_or_warning(&args).id(), "builtin-2");
        assert_eq!(rules(&ConfigArgs { no_config: true, ..args }).unwrap().id(), "builtin-2");
    }
}
