//! Which test a process was running.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The test that a process was running when it died.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestCase {
    /// Its name, as its framework prints it: `ParserTest.EmptyInput`, `lexer::tests::unicode`.
    pub name: String,
    /// The framework: `gtest`, `ctest`, `cargo-test`, `pytest`, `catch2`, `go-test`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework: Option<String>,
    /// What told it: `frames`, `arguments`, `thread_name`, `environment`, `memory`, `output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}
