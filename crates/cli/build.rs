//! Links the program at a fixed address.
//!
//! The system's loader would otherwise rewrite 30,000 pointers, and copy the 140 pages that they are on, before each start:
//! more than all that `epitaph run -- true` does itself, and `run` may stand before every command of a build. Stack, heap
//! and libraries are at random addresses still.

fn main() {
    println!("cargo::rerun-if-changed=crates/cli/build.rs");
    let is = |name: &str, value: &str| {
        std::env::var(name).is_ok_and(|values| values.split(',').any(|one| one == value))
    };
    // Linking statically, `-C relocation-model=static` says it: this option would contradict the compiler's.
    let is_static = is("CARGO_CFG_TARGET_FEATURE", "crt-static");
    if is("CARGO_CFG_TARGET_ARCH", "x86_64") && is("CARGO_CFG_TARGET_ENV", "gnu") && !is_static {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
