/* Dies in a signal handler, without a C library: one source for every architecture, small enough to keep its cores.
 *
 * The story: SIGSEGV in store <- on_signal <- the kernel's signal trampoline <- raw_syscall (which is assembler, and
 * was interrupted, not called) <- interrupt <- descend (three times) <- main <- start <- _start. At -O2, store is
 * inlined into on_signal. */
#include "bare.h"

enum { SIGUSR1 = 10 };

static int *volatile nowhere;
static volatile int depth = 2;

static inline void store(int value)
{
    *nowhere = value;
}

static void on_signal(int signal_number)
{
    store(signal_number);
    depth = signal_number;
}

__attribute__((noinline)) static long interrupt(long process)
{
    long result = raw_syscall(__NR_kill, process, SIGUSR1, 0, 0);
    depth++;
    return result;
}

__attribute__((noinline)) static long descend(int level)
{
    volatile char buffer[40];
    buffer[level] = (char)level;
    long result = level ? descend(level - 1) : interrupt(raw_syscall(__NR_getpid, 0, 0, 0, 0));
    return result + buffer[level];
}

__attribute__((noinline)) static int main(void)
{
    handle_signal(SIGUSR1, on_signal);
    long result = descend(depth);
    return result != 0;
}

__attribute__((used, noreturn)) static void start(void)
{
    int status = main();
    for (;;)
        raw_syscall(__NR_exit_group, status, 0, 0, 0);
}
