//! Who can read what is encrypted, and who asks a store.

use std::path::PathBuf;

/// Who can read what is kept or sent.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct EncryptArgs {
    /// Encrypt cores so that only this public key of age (age1…) can read them, or those in a file: @FILE (may be
    /// repeated; in the variable, separated by commas)
    // Whoever gives a private key by mistake shall not see it printed.
    #[arg(
        long,
        value_name = "KEY|@FILE",
        env = "EPITAPH_ENCRYPT",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) encrypt: Vec<String>,
}

/// Who reads what is encrypted.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct IdentityArgs {
    /// The file of a private key, as age-keygen writes it, to read cores that were encrypted for it (may be repeated;
    /// in the variable, separated by colons)
    #[arg(long, value_name = "FILE", env = "EPITAPH_IDENTITY", value_delimiter = ':')]
    pub(crate) identity: Vec<PathBuf>,
}

/// Who asks a store, where no keys say it.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct OidcArgs {
    /// Ask s3:// as the role in AWS_ROLE_ARN, by the OpenID Connect token that CircleCI, GitHub or GitLab gives this job,
    /// rather than by keys
    #[arg(long, env = "EPITAPH_OIDC")]
    pub(crate) oidc: bool,
}
