//! What could not be used of a module's debug information.

/// Something about a module's debug information that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A stable token.
    pub code: &'static str,
    /// What is wrong, with the file or section that it is wrong with.
    pub text: String,
}

/// Most problems that are told of one module: a crafted file may have one for each unit.
const MOST: usize = 16;

/// The problems of a module, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    untold: usize,
}

impl Problems {
    pub(crate) fn add(&mut self, code: &'static str, text: impl std::fmt::Display) {
        let problem = Problem { code, text: text.to_string() };
        if self.list.contains(&problem) {
            return;
        }
        if self.list.len() < MOST {
            self.list.push(problem);
        } else {
            self.untold += 1;
        }
    }

    pub(crate) fn finish(mut self) -> Vec<Problem> {
        if self.untold > 0 {
            let text = format!("and {} more troubles with its debug information", self.untold);
            self.list.push(Problem { code: "debug_info_unreadable", text });
        }
        self.list
    }
}
