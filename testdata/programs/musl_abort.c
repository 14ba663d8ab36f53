/* Dies by abort() in a SIGSEGV handler, on a thread, linked with musl: a C library without call frame information,
 * whose threads and signal handlers start in assembler.
 *
 * The story: SIGABRT; raise <- abort <- on_segv <- the signal trampoline <- touch <- worker, and the thread's start
 * beyond it. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static char *volatile nowhere = (char *)0x10;

static void on_segv(int number)
{
    (void)number;
    abort();
}

__attribute__((noinline)) static int touch(void)
{
    return *nowhere + 1;
}

static void *worker(void *argument)
{
    return (char *)argument + touch();
}

int main(void)
{
    pthread_t thread;
    signal(SIGSEGV, on_segv);
    pthread_create(&thread, NULL, worker, NULL);
    return pthread_join(thread, NULL);
}
