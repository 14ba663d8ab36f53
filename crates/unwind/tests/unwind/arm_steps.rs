//! The single-step test on 32-bit Arm, by its exception tables alone. They tell how the stack is at calls, and the
//! program is stopped anywhere: a caller that is said to be sure must be right.

use std::sync::Arc;

use epitaph_elf::CoreFile;
use epitaph_testkit::cross::{Guest, Recipe, STEPS, Stopped, target};
use epitaph_unwind::Trust;

use crate::support::{Given, walk};

/// Instructions that are stepped through, and how many where the long sweeps weren't asked for.
const LONG: usize = 400;
const SHORT: usize = 60;

#[test]
fn what_exception_tables_say_of_thumb_code_is_right_or_marked() {
    step_through("arm");
}

#[test]
fn what_exception_tables_say_of_arm_code_is_right_or_marked() {
    step_through("arm_a32");
}

fn step_through(target_name: &str) {
    for recipe in STEPS {
        // The same without debug information.
        let build = recipe.build[0].replace("-g ", "-funwind-tables ");
        let build: &'static str = Box::leak(build.into_boxed_str());
        let recipe = Recipe { build: Box::leak(Box::new([build])), ..*recipe };
        let Some(guest) = Guest::of_or_skip(target(target_name), &recipe) else { return };
        let files = Given(std::fs::read(&guest.exe).unwrap());
        let most = if std::env::var_os("EPITAPH_TEST_ALL").is_some() { LONG } else { SHORT };
        let mut stub = guest.start();
        // Where each call that is pending goes on, innermost last.
        let mut pending: Vec<u64> = Vec::new();
        let mut sure = 0;
        for step in 0..most {
            let core = CoreFile::open(Arc::new(guest.core(&mut stub, 11).to_vec())).unwrap();
            let walked = walk(&core, &files);
            let before = walked.frames[0].1;
            let pc = before.get(15).unwrap();
            if let Some((caller, _)) = walked.frames.get(1)
                && matches!(caller.trust, Trust::Cfi | Trust::CallTarget)
            {
                let context = format!("{} {target_name}, step {step}: {walked:x?}", recipe.name);
                assert_eq!(Some(&caller.address.pc()), pending.last(), "{context}");
                sure += 1;
            }
            if stub.step() != Stopped::TRAP {
                break;
            }
            let registers = stub.registers();
            let register = |number: usize| {
                let bytes = registers[4 * number..4 * number + 4].try_into().unwrap();
                u64::from(u32::from_le_bytes(bytes))
            };
            let (now, link) = (register(15), register(14) & !1);
            let next = [pc + 2, pc + 4];
            if next.contains(&link) && !next.contains(&now) {
                pending.push(link);
            } else if pending.last() == Some(&now) && !next.contains(&now) {
                pending.pop();
            }
        }
        assert!(sure * 3 > most, "{} {target_name}: only {sure} of {most} are sure", recipe.name);
    }
}
