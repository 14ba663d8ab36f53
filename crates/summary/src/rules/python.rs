//! Whose code is this: of Python's, by the file that it was compiled from.

/// Parts of the paths of files that come with the interpreter or with others' packages: `lib/python3.11/json/decoder.py`,
/// `site-packages/numpy/…`, `dist-packages/…` (Debian's), `python311.zip/…`.
const OTHERS: [&str; 3] = ["/site-packages/", "/dist-packages/", "/lib/python3/"];
/// What stands for a file where there is none, and is a user's own: `python -c`, what is typed, a notebook's cell.
const TYPED: [&str; 4] = ["<string>", "<stdin>", "<ipython-input", "<python-input"];

/// Tells whether a Python file is the user's own.
pub(super) fn in_app(file: &str) -> bool {
    if file.starts_with('<') {
        return TYPED.iter().any(|typed| file.starts_with(typed));
    }
    !OTHERS.iter().any(|part| file.contains(part)) && !is_standard_library(file)
}

/// Tells whether a path leads through `lib/python3.N` (`lib64` too) or `python3NN.zip`.
fn is_standard_library(file: &str) -> bool {
    let mut before = "";
    file.split('/').any(|part| {
        let version = part.strip_prefix("python3");
        let numbered = |rest: &str, end: &str| {
            let digits = rest.strip_suffix(end).unwrap_or_default();
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        let is_library = matches!(before, "lib" | "lib64")
            && version.and_then(|rest| rest.strip_prefix('.')).is_some_and(|rest| {
                numbered(rest.trim_end_matches(|char: char| char.is_ascii_alphabetic()), "")
            });
        before = part;
        is_library || version.is_some_and(|rest| numbered(rest, ".zip"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_own_files_are_those_of_no_library() {
        for file in [
            "/work/shop/cart.py",
            "cart.py",
            "/home/u/lib/cart.py",
            "/home/u/python3.11/cart.py",
            "<string>",
            "<stdin>",
            "<ipython-input-3-1f2e3d>",
        ] {
            assert!(in_app(file), "{file}");
        }
        for file in [
            "/usr/lib/python3.11/json/decoder.py",
            "/opt/py/lib64/python3.9/threading.py",
            "/opt/py/lib/python3.13t/threading.py",
            "/venv/lib/python3.11/site-packages/_pytest/python.py",
            "/usr/lib/python3/dist-packages/numpy/core.py",
            "/opt/python311.zip/json/decoder.py",
            "<frozen importlib._bootstrap>",
            "<__array_function__ internals>",
            "",
        ]
        .iter()
        .filter(|file| !file.is_empty())
        {
            assert!(!in_app(file), "{file}");
        }
    }
}
