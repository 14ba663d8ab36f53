/* Dies in ways that are the same in every C library: it is built with musl, and without a dynamic linker. */
//: small_null; signal=SEGV; class=null_deref:read; in=weight_of; builds=small
//: small_divide; signal=FPE; class=int_div_zero; in=mean; builds=small
//: small_abort; signal=ABRT; class=abort_call; in=stop; builds=small
//: small_overflow; signal=SEGV; class=stack_overflow; in=walk; builds=small
//: small_call; signal=SEGV; class=exec_null; in=call_back; builds=small
//: musl_assertion; signal=ABRT; class=assertion; in=check; builds=musl
//: musl_long_name; signal=ABRT; class=assertion; in=check_far; builds=musl
//: musl_double_free; signal=SEGV; class=double_free|heap_corruption|invalid_free|trap; in=drop_twice; builds=musl; why=musl stops without a word
//: static_assertion; signal=ABRT; class=assertion; in=check; builds=static; holds=Assertion `count > 0' failed.
//: static_double_free; signal=ABRT; class=double_free; in=drop_twice; builds=static; message=free(): double free detected in tcache 2
#include "ways.h"
#include <assert.h>
#include <stdlib.h>

struct box {
    int size[4];
    int weight;
};
static void *volatile where;
static volatile int zero;
static void (*volatile release)(void *) = free;

static int weight_of(const struct box *box) { return box->weight + 1; }
static int small_null(int n) { return weight_of((const struct box *)where) + n; }

static int mean(int sum, int count) { return sum / count + 1; }
static int small_divide(int n) { return mean(n, zero) + n; }

static int stop(int n)
{
    if (n > zero)
        abort();
    return n;
}
static int small_abort(int n) { return stop(n) + n; }

static __attribute__((noinline)) int walk(int depth)
{
    volatile int place[40];
    place[depth & 31] = depth;
    return walk(depth + 1) + place[1] + place[depth & 31];
}
static int small_overflow(int n) { return walk(n) + n; }

static int call_back(int (*function)(int), int n) { return function(n) + 1; }
static int small_call(int n) { return call_back((int (*)(int))(size_t)where, n) + n; }

static int check(int count)
{
    assert(count > 0); // dies: musl_assertion static_assertion
    return count;
}
static int musl_assertion(int n) { return check(zero) + n; }
static int static_assertion(int n) { return check(zero) + n; }

/* What assert() calls, of a file whose name is longer than what musl gathers before it writes. */
#define FAR "/a/folder/whose/name/is/so/long/that/it/does/not/fit/into/eighty/characters/with/what/is/around/it/far.c"
static int check_far(int count)
{
    if (count <= 0)
        __assert_fail("count > 0", FAR, 5, "check_far"); // dies: musl_long_name
    return count;
}
static int musl_long_name(int n) { return check_far(zero) + n; }

static int drop_twice(char *block)
{
    where = malloc(40); /* the group that both are of stays */
    release(block);
    where = block;
    release(where);
    return 1;
}
static int musl_double_free(int n) { return drop_twice(malloc(40)) + n; }
static int static_double_free(int n) { return drop_twice(malloc(40)) + n; }

#define WAY(name) {#name, name}
static const struct way ways[] = {
    WAY(small_null),     WAY(small_divide),     WAY(small_abort),      WAY(small_overflow),     WAY(small_call),
    WAY(musl_assertion), WAY(musl_long_name), WAY(musl_double_free), WAY(static_assertion), WAY(static_double_free),
};

int main(int argc, char **argv) { return CHOOSE(ways, argc, argv); }
