//! Walks of real and of crafted stacks. gdb says what is right where the stack is real.

#[cfg(test)]
mod aarch64_steps;
#[cfg(test)]
mod architectures;
#[cfg(test)]
mod arm_steps;
#[cfg(test)]
mod crafted;
#[cfg(test)]
mod damaged_cfi;
#[cfg(test)]
mod link_register;
#[cfg(test)]
mod real;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod stops;
#[cfg(test)]
mod support;
#[cfg(test)]
mod without_cfi;
