//! Processes are dumped while they stand still, and cores of theirs are what the kernel's would have been.

#[cfg(test)]
mod same_core;
