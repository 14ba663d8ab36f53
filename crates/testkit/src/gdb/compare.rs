//! Where two stacks of the same thread differ.

use std::fmt;

use super::{Frame, Stack, same_function};

/// What differs in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// gdb has this frame, and we have none there.
    Missing,
    /// We have this frame, and gdb has none there.
    Extra,
    /// We infer a tail call here, and gdb doesn't. The frames that follow are compared all the same.
    TailCall,
    /// The program counter.
    Pc,
    /// Whether the frame is an inlined call.
    Inlined,
    /// The function.
    Function,
    /// The source file.
    File,
    /// The line.
    Line,
}

/// One difference.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Our frame's index, from 0, innermost first.
    pub index: usize,
    /// What differs.
    pub what: What,
    /// Our frame.
    pub ours: Option<Frame>,
    /// gdb's frame.
    pub gdb: Option<Frame>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "#{} {:?}\n  ours {}\n  gdb  {}",
            self.index,
            self.what,
            shown(self.ours.as_ref()),
            shown(self.gdb.as_ref())
        )
    }
}

fn shown(frame: Option<&Frame>) -> String {
    let Some(frame) = frame else { return "(no frame)".to_owned() };
    let function = frame.function.as_deref().unwrap_or("??");
    let place = match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!(" at {file}:{line}"),
        (Some(file), None) => format!(" at {file}"),
        _ => String::new(),
    };
    let kind = match (frame.inlined, frame.signal_trampoline) {
        (true, _) => " (inlined)",
        (_, true) => " (signal trampoline)",
        _ => "",
    };
    format!("{:#x} {function}{place}{kind}", frame.pc)
}

/// Compares our stack with gdb's, frame by frame from the innermost on.
///
/// What gdb doesn't know (a name, a file, a line) can't be wrong. Names are compared leniently ([`same_function`]),
/// files by the end of their paths. A signal trampoline has neither name nor line. A frame that gdb inferred from a tail call may
/// be missing, since nothing of it is on the stack, and may be told as inlined; gdb doesn't unfold
/// the calls that were inlined into it, and we do. After the first difference in the
/// chain itself (a frame that is missing, extra, elsewhere, or inlined on one side only) the rest is not compared,
/// since it would all differ. Where one side was cut, only the frames before the cut are compared.
pub fn compare(ours: &Stack, gdb: &Stack) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut ours_left = ours.frames.iter().enumerate().peekable();
    let mut gdb_left = gdb.frames.iter().peekable();
    let mut inferred = None; // where gdb's last frame stands, if gdb inferred it
    loop {
        let (our, their) = (ours_left.peek().map(|(_, our)| *our), gdb_left.peek().copied());
        let index = ours_left.peek().map_or(ours.frames.len(), |(index, _)| *index);
        let mut report =
            |what| differences.push(Difference { index, what, ours: our.cloned(), gdb: their.cloned() });
        let apart = our.map(|frame| frame.pc) != their.map(|frame| frame.pc);
        if apart && their.is_some_and(|frame| frame.tail_call) {
            gdb_left.next();
            continue;
        }
        if apart && our.is_some_and(|frame| frame.tail_call) && !(their.is_none() && gdb.cut) {
            if inferred != our.map(|frame| frame.pc) {
                report(What::TailCall);
            }
            ours_left.next();
            continue;
        }
        match (our, their) {
            (None, None) => break,
            (None, Some(_)) if ours.cut => break,
            (Some(_), None) if gdb.cut => break,
            (None, Some(_)) => report(What::Missing),
            (Some(_), None) => report(What::Extra),
            (Some(_), Some(_)) if apart => report(What::Pc),
            (Some(our), Some(their)) if our.inlined != their.inlined && !their.tail_call => {
                report(What::Inlined);
            }
            (Some(our), Some(their)) => {
                details(our, their).for_each(report);
                inferred = their.tail_call.then_some(their.pc);
                ours_left.next();
                gdb_left.next();
                continue;
            }
        }
        break;
    }
    differences
}

/// What differs in two frames that stand at the same place.
fn details(our: &Frame, their: &Frame) -> impl Iterator<Item = What> {
    let function = match (&our.function, &their.function) {
        (_, None) => true,
        (None, Some(_)) => their.signal_trampoline,
        (Some(our), Some(name)) => their.signal_trampoline || same_function(our, name),
    };
    let file = match (&our.file, &their.file) {
        (_, None) => true,
        (None, Some(_)) if their.signal_trampoline => true,
        (None, Some(_)) => false,
        (Some(our), Some(their)) => same_file(our, their),
    };
    let line = their.line.is_none() || their.signal_trampoline || our.line == their.line;
    let wrong = [(function, What::Function), (file, What::File), (line, What::Line)];
    wrong.into_iter().filter(|(same, _)| !same).map(|(_, what)| what)
}

/// Tells whether the shorter path is the end of the longer one.
fn same_file(one: &str, other: &str) -> bool {
    let parts = |path: &str| -> Vec<String> {
        path.rsplit('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
    };
    let (one, other) = (parts(one), parts(other));
    !one.is_empty() && !other.is_empty() && one.iter().zip(&other).all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, line: u32, pc: u64) -> Frame {
        let file = Some(format!("/src/app/{function}.c"));
        Frame { function: Some(function.to_owned()), file, line: Some(line), pc, ..Frame::default() }
    }

    fn stack(frames: &[Frame]) -> Stack {
        Stack { frames: frames.to_vec(), ..Stack::default() }
    }

    fn found(ours: &[Frame], gdb: &[Frame]) -> Vec<(usize, What)> {
        compare(&stack(ours), &stack(gdb))
            .iter()
            .map(|difference| (difference.index, difference.what))
            .collect()
    }

    #[test]
    fn equal_stacks_do_not_differ() {
        let mut ours = [frame("leaf", 3, 0x10), frame("main", 9, 0x20)];
        let gdb = ours.clone();
        assert_eq!(found(&ours, &gdb), []);
        ours[1].file = Some("app/main.c".to_owned());
        assert_eq!(found(&ours, &gdb), []);
    }

    #[test]
    fn details_do_not_hide_what_follows() {
        let gdb = [frame("leaf", 3, 0x10), frame("mid", 5, 0x18), frame("main", 9, 0x20)];
        let mut ours = gdb.clone();
        ours[0].line = Some(4);
        ours[1].function = Some("other".to_owned());
        ours[2].file = None;
        assert_eq!(found(&ours, &gdb), [(0, What::Line), (1, What::Function), (2, What::File)]);
    }

    #[test]
    fn the_chain_is_compared_up_to_its_first_difference() {
        let gdb = [frame("leaf", 3, 0x10), frame("mid", 5, 0x18), frame("main", 9, 0x20)];
        assert_eq!(found(&gdb[1..], &gdb), [(0, What::Pc)]);
        assert_eq!(found(&gdb[..2], &gdb), [(2, What::Missing)]);
        assert_eq!(found(&gdb, &gdb[..1]), [(1, What::Extra)]);
        let mut inlined = gdb.clone();
        inlined[1].inlined = true;
        inlined[2].line = None;
        assert_eq!(found(&inlined, &gdb), [(1, What::Inlined)]);
    }

    #[test]
    fn what_gdb_does_not_know_is_not_held_against_us() {
        let ours = [frame("leaf", 3, 0x10)];
        assert_eq!(found(&ours, &[Frame { pc: 0x10, ..Frame::default() }]), []);
        assert_eq!(found(&[Frame { pc: 0x10, ..Frame::default() }], &ours).len(), 3);
    }

    #[test]
    fn a_cut_stack_is_compared_up_to_the_cut() {
        let whole = stack(&[frame("leaf", 3, 0x10), frame("main", 9, 0x20)]);
        let cut = Stack { frames: whole.frames[..1].to_vec(), cut: true, ..Stack::default() };
        assert!(compare(&whole, &cut).is_empty());
        assert!(compare(&cut, &whole).is_empty());
    }

    #[test]
    fn an_inferred_tail_call_may_be_missing_and_may_be_there() {
        let gdb = [
            frame("leaf", 3, 0x10),
            Frame { tail_call: true, ..frame("tail", 5, 0x18) },
            frame("main", 9, 0x20),
        ];
        assert_eq!(found(&[gdb[0].clone(), gdb[2].clone()], &gdb), []);
        assert_eq!(found(&gdb, &gdb), []);
        assert_eq!(found(&gdb[..1], &gdb), [(1, What::Missing)]);
        assert_eq!(found(&gdb[..1], &gdb[..2]), []);
        let mut inlined = gdb.clone();
        inlined[1].inlined = true;
        assert_eq!(found(&inlined, &gdb), []);
        let outer = Frame { tail_call: true, ..frame("outer", 7, 0x18) };
        let unfolded = [gdb[0].clone(), inlined[1].clone(), outer, gdb[2].clone()];
        assert_eq!(found(&unfolded, &gdb), []);
    }

    #[test]
    fn a_tail_call_that_gdb_does_not_infer_is_told_and_passed() {
        let ours = [
            frame("leaf", 3, 0x10),
            Frame { tail_call: true, ..frame("tail", 5, 0x18) },
            frame("main", 9, 0x20),
        ];
        let gdb = [ours[0].clone(), frame("main", 8, 0x20)];
        assert_eq!(found(&ours, &gdb), [(1, What::TailCall), (2, What::Line)]);
        assert_eq!(found(&ours[..2], &gdb[..1]), [(1, What::TailCall)]);
    }

    #[test]
    fn a_difference_reads_well() {
        let (ours, gdb) = (frame("leaf", 3, 0x10), frame("leaf", 4, 0x10));
        let text = compare(&stack(&[ours]), &stack(&[gdb]))[0].to_string();
        assert_eq!(
            text,
            "#0 Line\n  ours 0x10 leaf at /src/app/leaf.c:3\n  gdb  0x10 leaf at /src/app/leaf.c:4"
        );
    }
}
