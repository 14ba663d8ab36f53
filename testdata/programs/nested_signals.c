/* Dies by abort() in a SIGSEGV handler that interrupted a SIGUSR1 handler; both run on the alternate stack.
 *
 * The story: SIGABRT; abort <- on_segv <- the signal trampoline <- touch <- on_usr1 <- the signal trampoline <- the
 * code that was interrupted, in kill() <- compute <- main. The first trampoline leads to the same stack, the second one
 * to another. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

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

static void on_usr1(int number)
{
    *(volatile int *)&number += touch();
}

__attribute__((noinline)) static int compute(int value)
{
    kill(getpid(), SIGUSR1);
    return value * 2;
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaction(number, &action, NULL);
}

int main(int argc, char **argv)
{
    (void)argv;
    size_t size = 64 * 1024;
    stack_t stack = {.ss_sp = malloc(size), .ss_size = size};
    sigaltstack(&stack, NULL);
    handle(SIGSEGV, on_segv);
    handle(SIGUSR1, on_usr1);
    return compute(argc) + 1;
}
