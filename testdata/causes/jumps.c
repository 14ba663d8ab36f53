/* Dies by going where no code is. */
//: call_null; signal=SEGV; class=exec_null; in=notify
//: call_data; signal=SEGV; class=exec_nonexec; in=run_plugin
//: call_heap; signal=SEGV; class=exec_nonexec; in=run_compiled
//: call_wild; signal=SEGV; class=exec_wild; in=run_hook
//: call_non_canonical; signal=SEGV; class=non_canonical|exec_wild; in=run_method; why=the call faults before it jumps
//: return_to_text; signal=SEGV; class=return_corrupt; in=copy_name; flags=-fno-stack-protector
//: return_to_nowhere; signal=SEGV; class=return_corrupt|exec_wild; flags=-fno-stack-protector; why=a return and a call to an unmapped address look alike once they are there
#include "ways.h"
#include <stdint.h>
#include <stdlib.h>

typedef int (*function)(int);
static void *volatile where;

static int notify(function listener, int n) { return listener(n) + 1; }
static int call_null(int n) { return notify((function)(intptr_t)where, n) + n; }

static unsigned char table[64] = {0xb8, 1, 0, 0, 0, 0xc3};
static int run_plugin(function entry, int n) { return entry(n) + 1; }
static int call_data(int n)
{
    where = table;
    return run_plugin((function)(intptr_t)where, n) + n;
}

static int run_compiled(function compiled, int n) { return compiled(n) + 1; }
static int call_heap(int n)
{
    unsigned char *code = malloc(256);
    memset(code, 0x90, 256);
    where = code;
    return run_compiled((function)(intptr_t)where, n) + n;
}

static int run_hook(function hook, int n) { return hook(n) + 1; }
static int call_wild(int n)
{
    where = (void *)0x123456789000ULL;
    return run_hook((function)(intptr_t)where, n) + n;
}

static int run_method(function method, int n) { return method(n) + 1; }
static int call_non_canonical(int n)
{
    where = (void *)0x7374736574206c6cULL;
    return run_method((function)(intptr_t)where, n) + n;
}

/* Writes words from its own frame's start on, over where it returns to. */
static __attribute__((noinline)) int copy_name(uint64_t word)
{
    volatile uint64_t name[4] = {0};
    static volatile uint64_t *to; /* neither this nor what follows is on the stack that is written over */
    static volatile uint64_t value;
    static int i;
    where = (void *)name;
    to = (volatile uint64_t *)where;
    value = word;
    for (i = 0; i < 24; i++)
        to[i] = value;
    return (int)name[1];
}
static int return_to_text(int n) { return copy_name(0x4141414141414141ULL) + n; }
static int return_to_nowhere(int n) { return copy_name(0x0000414141414141ULL) + n; }

#define WAY(name) {#name, name}
static const struct way ways[] = {
    WAY(call_null), WAY(call_data),      WAY(call_heap),         WAY(call_wild), WAY(call_non_canonical),
    WAY(return_to_text), WAY(return_to_nowhere),
};

int main(int argc, char **argv) { return CHOOSE(ways, argc, argv); }
