/* Dies by a fault inside a signal handler: SIGUSR1 arrives in compute(), and its handler writes through NULL.
 *
 * The story: SIGSEGV in write_log <- on_usr1 <- the kernel's signal trampoline <- the code that was interrupted,
 * in kill() <- compute <- main. The frame below the trampoline was interrupted, not called: its address is exact. */
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile int *volatile log_position = NULL;

static void write_log(int value)
{
    *log_position = value;
}

static void on_usr1(int signal_number)
{
    write_log(signal_number);
}

static int compute(int n)
{
    kill(getpid(), SIGUSR1);
    return n * 2;
}

int main(void)
{
    signal(SIGUSR1, on_usr1);
    return compute(21);
}
