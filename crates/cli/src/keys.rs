//! The keys that the command line names: public ones of those who may read, files of private ones.

use std::path::Path;

use epitaph_bundle::{Identities, Recipients};

use crate::args::{EncryptArgs, IdentityArgs};
use crate::error::Error;

/// What stands before the name of a file of public keys.
const FILE: char = '@';

/// Reads the public keys. One that can't be understood is an error: what was to be encrypted must not leave as it is.
pub(crate) fn recipients(args: &EncryptArgs) -> Result<Recipients, Error> {
    let mut recipients = Recipients::default();
    for key in &args.encrypt {
        match key.strip_prefix(FILE) {
            Some(path) => recipients.add_file(Path::new(path))?,
            None => recipients.add(key, "--encrypt")?,
        }
    }
    Ok(recipients)
}

/// Reads the private keys.
pub(crate) fn identities(args: &IdentityArgs) -> Result<Identities, Error> {
    let mut identities = Identities::default();
    for path in &args.identity {
        identities.add_file(path)?;
    }
    Ok(identities)
}
