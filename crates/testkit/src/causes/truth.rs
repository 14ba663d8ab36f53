//! What is known of a death from the program's making.

/// What is known of a program's death from its making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Classes of causes that are right, the best first. One without a kind stands for all its kinds.
    pub classes: Vec<String>,
    /// Why more than one is right.
    pub why: Option<String>,
    /// What the program itself said.
    pub message: Option<Message>,
    /// The type of the exception that nobody caught.
    pub exception: Option<String>,
    /// Functions of which one is to be blamed; empty where none can be known.
    pub places: Vec<String>,
    /// The line of the source at which it says itself that it died.
    pub line: Option<u32>,
}

/// What a program said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// This, and nothing else.
    Is(String),
    /// This, among other things: a path, a type that is spelled by the compiler, an address.
    Holds(String),
}

impl Truth {
    /// Tells whether a class is a right one.
    ///
    /// ```
    /// # use epitaph_testkit::causes::Truth;
    /// let truth = Truth { classes: vec!["go_panic".into()], ..Truth::default() };
    /// assert!(truth.allows("go_panic") && truth.allows("go_panic:index"));
    /// assert!(!truth.allows("go_panics"));
    /// ```
    pub fn allows(&self, class: &str) -> bool {
        let of = |known: &String| {
            class.strip_prefix(known).is_some_and(|kind| kind.is_empty() || kind.starts_with(':'))
        };
        self.classes.iter().any(of)
    }
}

impl Message {
    /// Tells whether the program said this.
    pub fn allows(&self, said: &str) -> bool {
        match self {
            Message::Is(text) => said == text,
            Message::Holds(text) => said.contains(text.as_str()),
        }
    }
}
