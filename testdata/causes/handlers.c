/* Dies of a fault, but not at once: a handler of its own is called first. */
//: handled_abort; signal=ABRT; class=null_deref:write; in=set_flag
//: handled_info; signal=ABRT; class=null_deref:read; in=get_flag
//: handled_stack; signal=ABRT; class=null_deref:write; in=set_flag
//: handled_divide; signal=ABRT; class=int_div_zero; in=share
//: handled_trap; signal=ABRT; class=trap; in=impossible
//: handled_bus; signal=ABRT; class=bus_truncated_file; in=first_byte
//: handled_misaligned; signal=ABRT; class=misaligned; in=load_pair
//: handled_readonly; signal=ABRT; class=write_readonly; in=set_flag
//: reraised_default; signal=SEGV; class=null_deref:write; in=set_flag
//: returned_default; signal=SEGV; class=null_deref:write; in=set_flag
//: handler_faults; signal=SEGV; class=null_deref:read; in=get_flag|on_fault_read
#define _GNU_SOURCE
#include "ways.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct state {
    char name[24];
    int flag;
};
static struct state *volatile state;
static volatile int zero;

static int set_flag(struct state *of, int value)
{
    of->flag = value;
    return of->flag;
}
static int get_flag(const struct state *of) { return of->flag + 1; }

static void say(const char *text)
{
    if (write(2, text, strlen(text)) < 0)
        abort();
}
static void on_fault(int number)
{
    say(number == SIGSEGV ? "segmentation fault, giving up\n" : "fault, giving up\n");
    abort();
}
static void on_fault_info(int number, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    on_fault(number);
}
static void on_fault_reraise(int number)
{
    signal(number, SIG_DFL);
    raise(number);
}
static void on_fault_return(int number) { signal(number, SIG_DFL); }
static void on_fault_read(int number) { zero = get_flag(state) + number; }

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(number, &action, NULL);
}

static int handled_abort(int n)
{
    handle(SIGSEGV, on_fault, 0);
    return set_flag(state, n);
}
static int handled_info(int n)
{
    struct sigaction action = {.sa_sigaction = on_fault_info, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    return get_flag(state) + n;
}
static int handled_stack(int n)
{
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    sigaltstack(&stack, NULL);
    handle(SIGSEGV, on_fault, SA_ONSTACK);
    return set_flag(state, n);
}
static int share(int of, int among) { return of / among + 1; }
static int handled_divide(int n)
{
    handle(SIGFPE, on_fault, 0);
    return share(n, zero) + n;
}
static int impossible(int n)
{
    if (n > zero)
        __builtin_trap();
    return n;
}
static int handled_trap(int n)
{
    handle(SIGILL, on_fault, 0);
    return impossible(n) + n;
}
static int first_byte(const volatile char *bytes) { return bytes[0] + 1; }
static int handled_bus(int n)
{
    FILE *file = tmpfile();
    const char *bytes = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(file), 0);
    handle(SIGBUS, on_fault, 0);
    return first_byte(bytes) + n;
}
static int load_pair(const char *bytes)
{
    __asm__ volatile("movaps (%0), %%xmm1" : : "r"(bytes) : "xmm1", "memory");
    return bytes[0] + 1;
}
static int handled_misaligned(int n)
{
    static char bytes[64] __attribute__((aligned(16)));
    handle(SIGSEGV, on_fault, 0);
    return load_pair(bytes + 1) + n;
}
static int handled_readonly(int n)
{
    handle(SIGSEGV, on_fault, 0);
    state = (struct state *)"a text that nobody may change, of some length";
    return set_flag(state, n);
}
static int reraised_default(int n)
{
    handle(SIGSEGV, on_fault_reraise, SA_NODEFER);
    return set_flag(state, n);
}
static int returned_default(int n)
{
    handle(SIGSEGV, on_fault_return, 0);
    return set_flag(state, n);
}
static int handler_faults(int n)
{
    handle(SIGUSR1, on_fault_read, 0);
    raise(SIGUSR1);
    return n;
}

#define WAY(name) {#name, name}
static const struct way ways[] = {
    WAY(handled_abort),    WAY(handled_info),     WAY(handled_stack), WAY(handled_divide), WAY(handled_trap), WAY(handled_bus),
    WAY(handled_misaligned), WAY(handled_readonly), WAY(reraised_default), WAY(returned_default), WAY(handler_faults),
};

int main(int argc, char **argv) { return CHOOSE(ways, argc, argv); }
