//! What concerns CI systems.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use epitaph_summary::CiProvider;

/// Which CI system this runs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CiChoice {
    /// The one whose variables are set.
    #[default]
    Auto,
    /// None.
    None,
    /// This one.
    Is(CiProvider),
}

impl ValueEnum for CiChoice {
    fn value_variants<'a>() -> &'a [CiChoice] {
        &[
            CiChoice::Auto,
            CiChoice::None,
            CiChoice::Is(CiProvider::CircleCi),
            CiChoice::Is(CiProvider::GitHub),
            CiChoice::Is(CiProvider::GitLab),
            CiChoice::Is(CiProvider::Buildkite),
            CiChoice::Is(CiProvider::Jenkins),
            CiChoice::Is(CiProvider::Azure),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            CiChoice::Auto => "auto",
            CiChoice::None => "none",
            CiChoice::Is(provider) => provider.name(),
        }))
    }
}

/// The CI job that a command runs in.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct CiArgs {
    /// The CI system that says which job this is; `none` asks none, but makes no core less scrubbed
    #[arg(long = "ci", value_name = "NAME", value_enum, default_value = "auto", env = "EPITAPH_CI")]
    pub(crate) choice: CiChoice,
}

/// A CI system that there are lines for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Provider(pub(crate) CiProvider);

impl ValueEnum for Provider {
    fn value_variants<'a>() -> &'a [Provider] {
        &[
            Provider(CiProvider::CircleCi),
            Provider(CiProvider::GitHub),
            Provider(CiProvider::GitLab),
            Provider(CiProvider::Buildkite),
            Provider(CiProvider::Jenkins),
            Provider(CiProvider::Azure),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()))
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// The CI system
    #[arg(value_enum, value_name = "SYSTEM")]
    pub(crate) provider: Provider,
    /// The command whose crashes are to be kept
    #[arg(long = "command", value_name = "COMMAND", default_value = "make check", env = "EPITAPH_COMMAND")]
    pub(crate) command: String,
    /// Where jobs get the static binary from (`make dist`); if not given, from their variable of this name
    #[arg(long, value_name = "URL", env = "EPITAPH_DOWNLOAD_URL")]
    pub(crate) download_url: Option<String>,
    /// The SHA-256 of that binary; this program's own, if it is one, or else from the jobs' variable of this name
    #[arg(long, value_name = "HEX", env = "EPITAPH_SHA256", value_parser = parse_sha256)]
    pub(crate) sha256: Option<String>,
}

/// Parses a SHA-256 as sha256sum(1) prints it.
fn parse_sha256(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| text.to_ascii_lowercase()).ok_or_else(|| "a SHA-256 has 64 hex digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_can_be_chosen_and_set_up() {
        let named = |provider: CiProvider| provider.name().to_owned();
        let all: Vec<String> = CiProvider::ALL.into_iter().map(named).collect();
        let names = |values: Vec<Option<PossibleValue>>| -> Vec<String> {
            values.into_iter().map(|value| value.unwrap().get_name().to_owned()).collect()
        };
        let set_up = Provider::value_variants().iter().map(ValueEnum::to_possible_value).collect();
        assert_eq!(names(set_up), all);
        let chosen = CiChoice::value_variants().iter().map(ValueEnum::to_possible_value).collect();
        assert_eq!(names(chosen), [&["auto".to_owned(), "none".to_owned()][..], &all].concat());
    }

    #[test]
    fn a_hash_is_one() {
        assert_eq!(parse_sha256(&"A".repeat(64)), Ok("a".repeat(64)));
        for bad in ["", "a", &"g".repeat(64), &"a".repeat(63)] {
            assert!(parse_sha256(bad).is_err(), "{bad}");
        }
    }
}
