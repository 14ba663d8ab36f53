//! Real crashes: how frames were found, and why the walk ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use epitaph_elf::{CoreFile, MemoryError};
use epitaph_testkit::crash::{Crash, program};
use epitaph_unwind::{CodeAddress, Frame, Keep, Limits, Stop, Trust};

use crate::support::{RecordedPaths, Walk, open, walk, walk_all, with_unwinder};

fn crash(name: &str) -> Option<(Crash, Walk)> {
    let crash = Crash::of_or_skip(program(name))?;
    let walk = walk(&open(&crash.core), &RecordedPaths);
    Some((crash, walk))
}

fn trusts(walk: &Walk) -> Vec<Trust> {
    walk.frames.iter().map(|(frame, _)| frame.trust).collect()
}

#[test]
fn an_overwritten_return_address_ends_the_walk_and_is_shown() {
    let Some((_crash, walk)) = crash("smashed_stack") else { return };
    assert_eq!(trusts(&walk), [Trust::Context]);
    assert_eq!(walk.stop, Stop::BadReturnAddress { found: 0x5a5a_5a5a_5a5a_5a5a });
    assert!(walk.stop.to_string().contains("0x5a5a5a5a5a5a5a5a"));
}

#[test]
fn a_call_to_nowhere_leads_back_to_its_caller() {
    for (name, pc) in [("null_call", 0), ("wild_jump", 0x1234_5678_90ab)] {
        let Some((_crash, walk)) = crash(name) else { return };
        assert_eq!(walk.frames[0].0.address, CodeAddress::Exact(pc), "{name}");
        assert_eq!(trusts(&walk)[..3], [Trust::Context, Trust::CallTarget, Trust::Cfi], "{name}");
        assert!(matches!(walk.frames[1].0.address, CodeAddress::Return(_)), "{name}");
        assert_eq!(walk.stop, Stop::End, "{name}");
    }
}

#[test]
fn what_a_signal_interrupted_is_exact_and_its_trampoline_is_marked() {
    for name in ["signal_handler", "alt_stack"] {
        let Some((_crash, walk)) = crash(name) else { return };
        let frames: Vec<_> = walk.frames.iter().map(|(frame, _)| frame).collect();
        let trampoline = frames.iter().position(|frame| frame.signal_trampoline).unwrap();
        assert_eq!(frames.iter().filter(|frame| frame.signal_trampoline).count(), 1, "{name}");
        assert!(matches!(frames[trampoline].address, CodeAddress::Return(_)), "{name}");
        let interrupted = frames[trampoline + 1];
        assert!(matches!(interrupted.address, CodeAddress::Exact(_)), "{name}");
        assert_eq!(interrupted.trust, Trust::Signal, "{name}");
        assert!(frames[trampoline + 2..].iter().all(|frame| frame.trust == Trust::Cfi), "{name}");
        let stack_pointers: Vec<_> = walk.frames.iter().map(|(_, known)| known.get(7).unwrap()).collect();
        let other_stack = stack_pointers[trampoline].abs_diff(stack_pointers[trampoline + 1]) > 1 << 30;
        assert_eq!(other_stack, name == "alt_stack", "{stack_pointers:x?}");
        assert_eq!(walk.stop, Stop::End, "{name}");
    }
}

#[test]
fn what_machine_code_says_is_a_trust_of_its_own() {
    let Some((_crash, walk)) = crash("frame_pointers") else { return };
    let trusts = trusts(&walk);
    assert_eq!(trusts[..3], [Trust::Context, Trust::Prologue, Trust::Prologue]);
    assert!(trusts.contains(&Trust::Cfi), "the C library has CFI: {trusts:?}");
    assert_eq!(walk.stop, Stop::End);
}

#[test]
fn deep_stacks_are_walked_whole_and_soon() {
    let Some(crash) = Crash::of_or_skip(program("deep_recursion")) else { return };
    let core = open(&crash.core);
    let start = Instant::now();
    let whole = walk(&core, &RecordedPaths);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(whole.frames.len() > 20_000 && whole.stop == Stop::End, "{}", whole.frames.len());
    let (_, limited) = walk_all(&core, &RecordedPaths, Limits { frames: 10, ..Limits::default() }).remove(0);
    assert_eq!((limited.frames.len(), limited.stop), (10, Stop::Limit));
    assert_eq!(limited.pcs(), whole.pcs()[..10]);
}

#[test]
fn a_deep_stack_takes_no_more_memory_than_its_ends_and_says_what_repeats() {
    let Some(crash) = Crash::of_or_skip(program("deep_recursion")) else { return };
    let core = open(&crash.core);
    let walk = |keep| {
        let limits = Limits { keep, ..Limits::default() };
        with_unwinder(&core, &RecordedPaths, limits, |unwinder| {
            unwinder.walk(&core.process().threads[0].registers)
        })
    };
    let whole = walk(None);
    let kept = walk(Some(Keep { inner: 20, outer: 5 }));
    assert_eq!((whole.frames.len(), whole.left_out_after), (whole.total, None));
    assert_eq!((kept.frames.len(), kept.left_out_after), (25, Some(20)));
    assert_eq!((kept.total, kept.stop), (whole.total, whole.stop));
    assert_eq!(kept.frames[..20], whole.frames[..20]);
    assert_eq!(kept.frames[20..], whole.frames[whole.total - 5..]);
    let [repeat] = whole.repeats[..] else { panic!("{:?}", whole.repeats) };
    assert_eq!(kept.repeats, [repeat]);
    let cycle = |number: usize| &whole.frames[repeat.first..][number * repeat.period..][..repeat.period];
    let addresses = |frames: &[Frame]| frames.iter().map(|frame| frame.address).collect::<Vec<_>>();
    assert!(repeat.exact && repeat.period * repeat.count > 19_000, "{repeat:?}");
    for number in [1, 2, repeat.count / 2, repeat.count - 1] {
        assert_eq!(addresses(cycle(number)), addresses(cycle(0)), "{number}");
    }
}

/// The same core, cut at every eighth of the crashing thread's stack: the frames that are there stay the same ones.
#[test]
fn a_truncated_stack_is_walked_up_to_the_cut() {
    let Some(crash) = Crash::of_or_skip(program("deep_recursion")) else { return };
    let bytes = std::fs::read(&crash.core).unwrap();
    let core = CoreFile::open(Arc::new(bytes.clone())).unwrap();
    let whole = walk(&core, &RecordedPaths);
    let sp = core.process().threads[0].registers.get(7).unwrap();
    let stack = *core.segment_at(sp).unwrap();
    let used = stack.end() - sp;
    let mut last = 0;
    for eighth in 0..8 {
        let end = stack.offset + (sp - stack.address) + used / 8 * eighth;
        let cut = CoreFile::open(Arc::new(bytes[..end as usize].to_vec())).unwrap();
        let walk = walk(&cut, &RecordedPaths);
        match walk.stop {
            Stop::Memory(MemoryError::Truncated { address }) => {
                assert!(address >= sp + used / 8 * eighth, "{eighth}: {address:#x}");
            }
            // The very first read may also be of a frame pointer's word.
            other => panic!("{eighth}: {other:?}"),
        }
        assert_eq!(walk.pcs(), whole.pcs()[..walk.frames.len()], "{eighth}");
        assert!(walk.frames.len() > last, "{eighth}: {} frames", walk.frames.len());
        last = walk.frames.len();
    }
}
