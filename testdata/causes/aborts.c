/* Dies because it, or the C library, gives up. */
//: abort_plain; signal=ABRT; class=abort_call; in=give_up
//: abort_in_callback; signal=ABRT; class=abort_call; in=by_price
//: abort_after_print; signal=ABRT; class=abort_call; in=fatal
//: assertion; signal=ABRT; class=assertion; in=parse_header; holds=Assertion `size > 4 && "a header is longer"' failed.
//: assertion_colons; signal=ABRT; class=assertion; in=check_url; holds=Assertion `text[4] == ':' || !strcmp(text, "a: b (c:12)")' failed.
//: double_free_tcache; signal=ABRT; class=double_free; in=release_twice; message=free(): double free detected in tcache 2
//: double_free_fastbin; signal=ABRT; class=double_free; in=release_many; message=double free or corruption (fasttop)
//: double_free_top; signal=ABRT; class=double_free; in=release_large; message=double free or corruption (top)
//: invalid_free; signal=ABRT; class=invalid_free; in=release_inner; message=free(): invalid pointer
//: invalid_munmap; signal=ABRT; class=invalid_free; in=release_mapped; message=munmap_chunk(): invalid pointer
//: invalid_realloc; signal=ABRT; class=invalid_free; in=grow; message=realloc(): invalid pointer
//: corrupt_next_size; signal=ABRT; class=heap_corruption; in=release_neighbour; message=free(): invalid next size (normal)
//: corrupt_next_fast; signal=ABRT; class=heap_corruption; in=release_small; message=free(): invalid next size (fast)
//: corrupt_top; signal=ABRT; class=heap_corruption; in=allocate_more; message=malloc(): corrupted top size
//: corrupt_prev_size; signal=ABRT; class=heap_corruption; in=consolidate; message=corrupted size vs. prev_size while consolidating
//: corrupt_tcache; signal=ABRT; class=heap_corruption; in=take_two; message=malloc(): unaligned tcache chunk detected
//: corrupt_list; signal=ABRT; class=heap_corruption; in=unlink_chunk; message=corrupted double-linked list
//: raise_abort; signal=ABRT; class=abort_call; in=quit
#include "ways.h"
#include <assert.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

static void *volatile where;
static volatile size_t none;

/* Compilers know malloc and free, and leave pairs of them out; these they don't know. */
static void *(*volatile take)(size_t) = malloc;
static void (*volatile release)(void *) = free;

static int give_up(int n)
{
    if (n >= 0)
        abort();
    return n;
}
static int abort_plain(int n) { return give_up(n) + n; }

static int by_price(const void *a, const void *b)
{
    if (*(const int *)a != *(const int *)b)
        abort();
    return 0;
}
static int abort_in_callback(int n)
{
    int prices[] = {n, 2, 1};
    qsort(prices, 3, sizeof prices[0], by_price);
    return prices[0];
}

static int fatal(const char *what, int n)
{
    fprintf(stderr, "fatal: %s is missing (%d)\n", what, n);
    abort();
}
static int abort_after_print(int n) { return fatal("the configuration", n) + n; }

static int parse_header(size_t size)
{
    assert(size > 4 && "a header is longer"); // dies: assertion
    return (int)size;
}
static int assertion(int n) { return parse_header(none) + n; }

static int check_url(const char *text)
{
    assert(text[4] == ':' || !strcmp(text, "a: b (c:12)")); // dies: assertion_colons
    return text[0];
}
static int assertion_colons(int n)
{
    where = (void *)"https://example.com:8080";
    return check_url((const char *)where) + n;
}

static int release_twice(char *block)
{
    release(block);
    where = block;
    release(where);
    return 1;
}
static int double_free_tcache(int n) { return release_twice(take(40)) + n; }

static int release_many(char **blocks)
{
    for (int i = 0; i < 8; i++)
        release(blocks[i]); /* seven fill the cache of this size, the eighth goes to the fast bin */
    where = blocks[7];
    release(where);
    return 1;
}
static int double_free_fastbin(int n)
{
    char *blocks[8];
    for (int i = 0; i < 8; i++)
        blocks[i] = take(40);
    return release_many(blocks) + n;
}

static int release_large(char *block)
{
    block[1] = 'x';
    release(block);
    where = block;
    release(where);
    return 1;
}
static int double_free_top(int n) { return release_large(take(5000)) + n; }

static int release_inner(char *block)
{
    where = block + 8;
    release(where);
    return 1;
}
static int invalid_free(int n) { return release_inner(take(400)) + n; }

static int release_mapped(char *block)
{
    where = block + 16;
    ((size_t *)where)[-1] = 0x1002; /* looks as if it were mapped by itself */
    release(where);
    return 1;
}
static int invalid_munmap(int n) { return release_mapped(take(4000)) + n; }

static char *grow(char *block)
{
    where = block + 24;
    return realloc(where, 9000);
}
static int invalid_realloc(int n) { return grow(take(400)) != NULL ? n : 0; }

static int overrun(void *block, size_t at, size_t word)
{
    where = block;
    memcpy((char *)where + at, &word, sizeof word);
    return 1;
}

static int release_neighbour(char *one, char *two)
{
    where = one;
    overrun(two, 2008, 0x7eadbeef1); /* the size of the block after it */
    release(two);
    return 1;
}
static int corrupt_next_size(int n)
{
    char *one = take(2000), *two = take(2000);
    where = take(2000);
    return release_neighbour(one, two) + n;
}

static int release_small(char **blocks)
{
    for (int i = 0; i < 7; i++)
        release(blocks[i]);
    overrun(blocks[7], 40, 1);
    release(blocks[7]);
    return 1;
}
static int corrupt_next_fast(int n)
{
    char *blocks[9];
    for (int i = 0; i < 9; i++)
        blocks[i] = take(40);
    return release_small(blocks) + n;
}

static int allocate_more(char *last)
{
    overrun(last, 24, ~(size_t)0xf);
    where = take(70000);
    return 1;
}
static int corrupt_top(int n) { return allocate_more(take(24)) + n; }

static int consolidate(char *one, char *two)
{
    release(one);
    overrun(one, 2000, 0x550); /* the size that the next block remembers of it */
    release(two);
    return 1;
}
static int corrupt_prev_size(int n)
{
    char *one = take(2000), *two = take(2000);
    where = take(2000);
    return consolidate(one, two) + n;
}

static int take_two(char *one, char *two)
{
    release(one);
    release(two);
    overrun(two, 0, ((size_t)two >> 12) ^ 0x4242424242424243); /* the list of free blocks begins with it */
    where = take(100);
    where = take(100);
    return 1;
}
static int corrupt_tcache(int n)
{
    char *one = take(100), *two = take(100);
    return take_two(one, two) + n;
}

static int unlink_chunk(char *one, char *two)
{
    release(one);
    overrun(one, 8, (size_t)two); /* the list's link back */
    overrun(one, 0, (size_t)two);
    release(two);
    return 1;
}
static int corrupt_list(int n)
{
    char *one = take(2000), *two = take(2000);
    where = take(2000);
    return unlink_chunk(one, two) + n;
}

static int quit(int n)
{
    raise(SIGABRT);
    return n + 1;
}
static int raise_abort(int n) { return quit(n) + n; }

#define WAY(name) {#name, name}
static const struct way ways[] = {
    WAY(abort_plain),       WAY(abort_in_callback), WAY(abort_after_print),   WAY(assertion),
    WAY(assertion_colons),  WAY(double_free_tcache), WAY(double_free_fastbin), WAY(double_free_top),
    WAY(invalid_free),      WAY(invalid_munmap),    WAY(invalid_realloc),     WAY(corrupt_next_size),
    WAY(corrupt_next_fast), WAY(corrupt_top),       WAY(corrupt_prev_size),   WAY(corrupt_tcache),
    WAY(corrupt_list),      WAY(raise_abort),
};

int main(int argc, char **argv) { return CHOOSE(ways, argc, argv); }
