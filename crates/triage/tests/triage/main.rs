//! Whole triages: what a summary says of crafted and of real crashes, whatever is missing.

#[cfg(test)]
mod completeness;
#[cfg(test)]
mod emulator;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod go;
#[cfg(test)]
mod many;
#[cfg(test)]
mod masks;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod observer;
#[cfg(test)]
mod real;
#[cfg(test)]
mod scrub;
#[cfg(test)]
mod shrinking;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod support;
#[cfg(test)]
mod test_case;
#[cfg(test)]
mod waits;
#[cfg(test)]
mod waits_crafted;
