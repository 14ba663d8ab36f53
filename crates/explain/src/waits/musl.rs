//! What musl's primitives look like from the futex that a thread waits on: src/internal/pthread_impl.h,
//! src/thread/pthread_mutex_timedlock.c, pthread_join.c.

use super::futex::{Futex, Operation};
use super::place::{Place, Threads};
use super::{FUTEX_TID, FUTEX_WAITERS, Holder, MOST_PIDS, Wait, WaitKind};

/// Every recognizer.
pub(super) const ALL: [super::Recognizer; 2] = [mutex, joined];

/// `pthread_mutex_t`: type, lock, waiters. The lock holds the owner's thread id, or `EBUSY` in a normal mutex.
fn mutex(futex: &Futex, place: Place<'_>, threads: &Threads<'_>, waiting: u32) -> Option<Wait> {
    const NORMAL: u32 = 0;
    const ERROR_CHECK: u32 = 2;
    const SHARED: u32 = 128;
    const EBUSY: u32 = 16;
    let (start, word) = (place.at(-4), place.int(0)?);
    let (kind, waiters) = (start.int(0)?, start.int(8)?);
    let by_word = futex.operation == Operation::Wait && futex.expected == word;
    let fits = (by_word || futex.operation == Operation::Lock)
        && word & FUTEX_WAITERS != 0
        && kind & !(15 | SHARED) == 0
        && kind & 3 <= ERROR_CHECK
        && (1..MOST_PIDS).contains(&waiters)
        && futex.private == (kind & SHARED == 0);
    let owner = word & FUTEX_TID;
    match kind & 15 {
        _ if !fits => None,
        NORMAL => (owner == EBUSY).then(|| Wait::unheld(WaitKind::Mutex, start)),
        // Its holder would not have waited.
        _ if owner == waiting || !(1..MOST_PIDS).contains(&owner) => None,
        _ => Some(Wait::held(WaitKind::Mutex, start, Holder::of(owner, threads))),
    }
}

/// `pthread_join` waits while the joined thread's `detach_state` says that it can be joined. It follows the thread's id and
/// its `errno`.
fn joined(futex: &Futex, place: Place<'_>, threads: &Threads<'_>, waiting: u32) -> Option<Wait> {
    const JOINABLE: u32 = 2;
    let joined = threads.process.threads.get(threads.with_record_at(place.address())?)?;
    let fits = futex.operation == Operation::Wait
        && futex.private
        && futex.expected == JOINABLE
        && place.int(0)? == JOINABLE
        && joined.tid != waiting
        && place.int(-8)? == joined.tid;
    fits.then(|| Wait::held(WaitKind::Thread, place, Holder::of(joined.tid, threads)))
}
