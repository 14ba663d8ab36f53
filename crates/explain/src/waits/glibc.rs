//! What glibc's primitives look like from the futex that a thread waits on. Layouts: sysdeps/nptl/bits/struct_mutex.h,
//! struct_rwlock.h and thread-shared-types.h (x86's have the same fields at the same offsets); what is waited for with
//! which value: nptl/pthread_mutex_lock.c, pthread_rwlock_common.c, pthread_cond_wait.c, sem_waitcommon.c,
//! pthread_barrier_wait.c, pthread_join_common.c. Unchanged since 2.25, but where it is said.
//!
//! A recognizer looks at every field that it knows a rule for, and says nothing where one doesn't fit.

use super::futex::{Futex, Operation};
use super::place::{Place, Threads};
use super::{FUTEX_TID, FUTEX_WAITERS, Holder, MOST_PIDS, Wait, WaitKind};

const RECURSIVE: u32 = 1;
const ERROR_CHECK: u32 = 2;
const ROBUST: u32 = 16;
const INHERIT: u32 = 32;
const SHARED: u32 = 128;
/// All bits that a mutex's kind has: its type, the bits above, priority ceiling, and two for elided locks.
const KIND_BITS: u32 = 3 | ROBUST | INHERIT | 64 | SHARED | 256 | 512;
/// Most threads that can wait for one thing; a larger count is none.
const MOST_WAITING: u32 = 1 << 20;

/// What the word of a plain lock holds where somebody waits for it: sysdeps/nptl/lowlevellock.h.
const CONTENDED: u32 = 2;

/// Every recognizer.
pub(super) const ALL: [super::Recognizer; 9] =
    [mutex, marked_mutex, stream_lock, joined, read_write_lock, semaphore, condition, barrier, once];

/// The fields of `struct __pthread_mutex_s` behind its lock word.
struct Mutex {
    owner: u32,
    kind: u32,
}

impl Mutex {
    /// Reads the mutex whose lock word is at a place, if its fields agree with each other.
    fn read(place: Place<'_>) -> Option<Mutex> {
        let (users, kind) = if place.is_wide() { (12, 16) } else { (16, 12) };
        let (count, owner) = (place.int(4)?, place.int(8)?);
        let (users, kind) = (place.int(users)?, place.int(kind)?);
        // Robust ones and those with priority inheritance count once whatever their type is.
        let counted = kind & 3 == RECURSIVE || kind & (ROBUST | INHERIT) != 0;
        let fits = kind & !KIND_BITS == 0
            && (count > 0) == counted
            && (1..MOST_WAITING).contains(&users)
            && (1..MOST_PIDS).contains(&owner);
        fits.then_some(Mutex { owner, kind })
    }

    /// Says who holds it. A thread can wait for what it holds itself only where the mutex doesn't look for that.
    fn wait(&self, place: Place<'_>, threads: &Threads<'_>, waiting: u32) -> Option<Wait> {
        let looks = [RECURSIVE, ERROR_CHECK].contains(&(self.kind & 3));
        if self.owner == waiting && looks {
            return None;
        }
        Some(Wait::held(WaitKind::Mutex, place, Holder::of(self.owner, threads)))
    }
}

/// `pthread_mutex_lock`.
fn mutex(futex: &Futex, place: Place<'_>, threads: &Threads<'_>, waiting: u32) -> Option<Wait> {
    let timed = futex.operation == Operation::WaitBitset && futex.timed;
    if !timed && futex.operation != Operation::Wait
        || futex.expected != CONTENDED
        || place.int(0)? != CONTENDED
    {
        return None;
    }
    let mutex = Mutex::read(place)?;
    let fits = mutex.kind & (ROBUST | INHERIT) == 0 && futex.private == (mutex.kind & SHARED == 0);
    if fits { mutex.wait(place, threads, waiting) } else { None }
}

/// A robust mutex, or one with priority inheritance: the word itself holds the owner.
fn marked_mutex(futex: &Futex, place: Place<'_>, threads: &Threads<'_>, waiting: u32) -> Option<Wait> {
    let word = place.int(0)?;
    let (mark, agrees) = match futex.operation {
        Operation::Lock => (INHERIT, true),
        Operation::Wait | Operation::WaitBitset => (ROBUST, futex.expected == word),
        Operation::Requeue => return None,
    };
    let mutex = Mutex::read(place)?;
    let fits = agrees
        && word & FUTEX_WAITERS != 0
        && word & FUTEX_TID == mutex.owner
        && mutex.kind & (ROBUST | INHERIT) & mark != 0;
    if fits { mutex.wait(place, threads, waiting) } else { None }
}

/// The lock of a `FILE` (`_IO_lock_t`, sysdeps/nptl/stdio-lock.h): word, count, and the owner's thread record.
fn stream_lock(futex: &Futex, place: Place<'_>, threads: &Threads<'_>, waiting: u32) -> Option<Wait> {
    if futex.operation != Operation::Wait || !futex.private || futex.expected != CONTENDED {
        return None;
    }
    let (word, count) = (place.int(0)?, place.int(4)?);
    let owner = threads.process.threads.get(threads.with_record_at(place.word(8)?)?)?;
    let fits = word == CONTENDED && (1..MOST_WAITING).contains(&count) && owner.tid != waiting;
    fits.then(|| Wait::held(WaitKind::Mutex, place, Holder::of(owner.tid, threads)))
}

/// `pthread_join` waits until the kernel clears the thread id in the joined thread's record.
fn joined(futex: &Futex, place: Place<'_>, threads: &Threads<'_>, waiting: u32) -> Option<Wait> {
    let tid = place.int(0)?;
    let is_wait = matches!(futex.operation, Operation::Wait | Operation::WaitBitset) && !futex.private;
    if !is_wait || tid != futex.expected || tid == waiting {
        return None;
    }
    let joined = threads.find(tid)?;
    let own = threads.with_record_at(place.address()) == Some(joined);
    let wait = Wait::held(WaitKind::Thread, place, Holder::of(tid, threads));
    Some(Wait { sure: own, ..wait })
}

/// `pthread_rwlock_t`: readers wait for the end of a writing phase, writers for the writer before them or for readers.
fn read_write_lock(futex: &Futex, place: Place<'_>, threads: &Threads<'_>, waiting: u32) -> Option<Wait> {
    /// `PTHREAD_RWLOCK_WRPHASE`, `PTHREAD_RWLOCK_WRLOCKED`, and where the count of readers begins.
    const WRITE_PHASE: u32 = 1;
    const WRITE_LOCKED: u32 = 2;
    const READERS_SHIFT: u32 = 3;
    /// `PTHREAD_RWLOCK_FUTEX_USED`: somebody waits.
    const USED: u32 = 2;
    /// Offsets of `__wrphase_futex` and `__writers_futex`.
    const PHASE: i64 = 8;
    const WRITERS: i64 = 12;
    if !futex.is_abstimed() || place.int(0)? != futex.expected {
        return None;
    }
    let (writer, shared) = if place.is_wide() { (24, 28) } else { (28, 24) };
    let recognize = |offset: i64| {
        let lock = place.at(-offset);
        let state = lock.int(0)?;
        let is_shared =
            if place.is_wide() { lock.int(shared)? != 0 } else { lock.int(shared)? & 0xff00 != 0 };
        let readers = state >> READERS_SHIFT;
        if is_shared == futex.private || readers >= MOST_WAITING || state & WRITE_LOCKED == 0 {
            return None;
        }
        let held_by_writer = match (offset, futex.expected) {
            // A reader, which has been counted.
            (PHASE, expected) if expected == 1 | USED => readers > 0 && state & WRITE_PHASE != 0,
            // A writer that waits for another one.
            (WRITERS, expected) if expected == 1 | USED => true,
            // The writer that comes next, which waits for readers.
            (PHASE, USED) if readers > 0 && state & WRITE_PHASE == 0 => {
                return Some(Wait::unheld(WaitKind::ReadWriteLock, lock));
            }
            _ => return None,
        };
        let writer = lock.int(writer)?;
        if !held_by_writer || writer >= MOST_PIDS || writer == waiting {
            return None;
        }
        Some(match writer {
            // The next writer waits for readers, whom nobody remembers.
            0 => Wait::unheld(WaitKind::ReadWriteLock, lock),
            writer => Wait::held(WaitKind::ReadWriteLock, lock, Holder::of(writer, threads)),
        })
    };
    recognize(PHASE).or_else(|| recognize(WRITERS))
}

/// `sem_wait`, where addresses have 64 bits: value and number of waiters are one number, `private` follows.
fn semaphore(futex: &Futex, place: Place<'_>, threads: &Threads<'_>, _: u32) -> Option<Wait> {
    let process_wide = threads.process.threads.len() as u64;
    if !futex.is_abstimed() || futex.expected != 0 || !place.is_wide() {
        return None;
    }
    // Of the number, the futex is the half of lower worth.
    let (start, waiters) = match threads.process.arch.endian() {
        epitaph_elf::Endian::Little => (place, place.int(4)?),
        epitaph_elf::Endian::Big => (place.at(-4), place.int(-4)?),
    };
    let shared = start.int(8)?;
    let most = if shared == 0 { process_wide } else { MOST_WAITING.into() };
    let fits = start.address().is_multiple_of(8)
        && place.int(0)? == 0
        && (1..=most).contains(&u64::from(waiters))
        && [0, SHARED].contains(&shared)
        && futex.private == (shared == 0);
    fits.then(|| Wait::unheld(WaitKind::Semaphore, start))
}

/// `pthread_cond_wait`: each of two groups of waiters has a futex, `__g_signals`, right behind `__wrefs`. It is at 40
/// since glibc 2.25, at 32 since 2.42.
fn condition(futex: &Futex, place: Place<'_>, _: &Threads<'_>, _: u32) -> Option<Wait> {
    const SIGNALS: [i64; 2] = [40, 32];
    /// Counts and flags in one number: waiters are counted from this bit on, and bit 0 says that it is shared.
    const WAITERS_SHIFT: u32 = 3;
    /// More waits than a program can have begun.
    const MOST_WAITS: u64 = 1 << 48;
    if !futex.is_abstimed() {
        return None;
    }
    let of_group = |group: i64| {
        SIGNALS.into_iter().find_map(|signals| {
            let start = place.at(-(signals + 4 * group));
            let (waits, first) = (start.long(0)? >> 1, start.long(8)? >> 1);
            let references = start.int(signals - 4)?;
            let fits = start.address().is_multiple_of(8)
                && (1..MOST_WAITS).contains(&waits)
                && first <= waits
                && (1..MOST_WAITING).contains(&(references >> WAITERS_SHIFT))
                && futex.private == (references & 1 == 0);
            fits.then(|| Wait::unheld(WaitKind::Condition, start))
        })
    };
    of_group(0).or_else(|| of_group(1))
}

/// `pthread_barrier_wait`: `in`, `current_round` (the futex), `count`, `shared`.
fn barrier(futex: &Futex, place: Place<'_>, _: &Threads<'_>, _: u32) -> Option<Wait> {
    let (arrived, round) = (place.int(-4)?, place.int(0)?);
    let (count, shared) = (place.int(4)?, place.int(8)?);
    let fits = futex.operation == Operation::Wait
        && round == futex.expected
        && (2..MOST_WAITING).contains(&count)
        && (1..count).contains(&arrived.wrapping_sub(round))
        && [0, SHARED].contains(&shared)
        && futex.private == (shared == 0);
    fits.then(|| Wait::unheld(WaitKind::Barrier, place.at(-4)))
}

/// The variable that says that a local static is being initialized (libstdc++, libsupc++/guard.cc): pending, and somebody
/// waits.
fn once(futex: &Futex, place: Place<'_>, _: &Threads<'_>, _: u32) -> Option<Wait> {
    const GUARD_PENDING_AND_WAITED_FOR: u32 = 1 << 8 | 1 << 16;
    let is_guard = futex.expected == GUARD_PENDING_AND_WAITED_FOR && !futex.private;
    let fits =
        futex.operation == Operation::Wait && !futex.timed && is_guard && place.int(0)? == futex.expected;
    fits.then(|| Wait::unheld(WaitKind::Once, place))
}
