/* Dies by abort() in a SIGSEGV handler that runs on an alternate stack, as crash reporters do.
 *
 * The story: SIGABRT; abort <- on_segv <- the signal trampoline <- touch <- main. The walk has to change stacks,
 * and the interesting frames are those below the trampoline. */
#include <signal.h>
#include <stdlib.h>

static char *volatile nowhere = (char *)0x10;

static void on_segv(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)info;
    (void)context;
    abort();
}

static char touch(void)
{
    char found = *nowhere;
    return found;
}

int main(void)
{
    size_t size = 64 * 1024;
    stack_t stack = {.ss_sp = malloc(size), .ss_size = size};
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    return touch();
}
