/* Dies by touching memory that it must not touch.
 *
 * Every pointer comes through a volatile variable: no compiler knows that it is bad. */
//: null_read; signal=SEGV; class=null_deref:read; in=order_total
//: null_write; signal=SEGV; class=null_deref:write; in=set_total
//: null_index; signal=SEGV; class=null_deref:read|near_null; in=price_at; why=the compiler may add the index to the base first
//: null_far; signal=SEGV; class=null_deref:read|near_null; in=last_of; why=a field 20 KiB into a structure: by its size it may be another mistake
//: null_string; signal=SEGV; class=null_deref:read; in=name_length
//: null_copy; signal=SEGV; class=null_deref:write; in=store_name
//: near_null; signal=SEGV; class=near_null; in=use_handle
//: non_canonical_read; signal=SEGV; class=non_canonical; in=follow_tagged
//: text_pointer; signal=SEGV; class=non_canonical; in=print_title
//: wild_read; signal=SEGV; class=wild_pointer; in=peek
//: wild_write; signal=SEGV; class=wild_pointer; in=poke
//: past_the_end; signal=SEGV; class=wild_pointer; in=sum_page
//: guard_page; signal=SEGV; class=guard_page; in=fill_ring
//: write_literal; signal=SEGV; class=write_readonly; in=capitalize
//: write_code; signal=SEGV; class=write_readonly; in=patch_code
//: write_mapping; signal=SEGV; class=write_readonly; in=update_cache
//: freed_field; signal=SEGV; class=use_after_free; in=next_value
//: freed_function; signal=SEGV; class=use_after_free|exec_wild; in=run_task; why=where it jumped is what is seen first
//: freed_filled; signal=SEGV; class=use_after_free|non_canonical; in=follow_freed; why=the pattern of the filling proves no more than a bad pointer
#define _GNU_SOURCE
#include "ways.h"
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct order {
    char name[0x140];
    long id;
    int total;
    char lines[20000];
    int last;
};

static void *volatile where;

/* Compilers know malloc and free, and leave pairs of them out; these they don't know. */
static void *(*volatile take)(size_t) = malloc;
static void (*volatile release)(void *) = free;

static int order_total(const struct order *order) { return order->total * 2; }
static int null_read(int n) { return order_total((struct order *)where) + n; }

static void set_total(struct order *order, int total) { order->total = total; }
static int null_write(int n)
{
    set_total((struct order *)where, n);
    return n;
}

static int price_at(const int *prices, int index) { return prices[index] + 1; }
static int null_index(int n) { return price_at((const int *)where, n * 3) + n; }

static int last_of(const struct order *order) { return order->last + 1; }
static int null_far(int n) { return last_of((struct order *)where) + n; }

static int name_length(const char *name) { return (int)strlen(name) + 1; }
static int null_string(int n) { return name_length((const char *)where) + n; }

static int store_name(char *to, const char *name, size_t size)
{
    memcpy(to, name, size);
    return to[1];
}
static int null_copy(int n)
{
    static char source[4096];
    return store_name((char *)where, source, 1000 + (size_t)n) + n;
}

static int use_handle(const int *handle) { return *handle + 1; }
static int near_null(int n)
{
    where = (void *)(intptr_t)(n + 33); /* an error number for a pointer */
    return use_handle((const int *)where) + n;
}

static long follow_tagged(const long *tagged) { return *tagged + 1; }
static int non_canonical_read(int n)
{
    where = (void *)0xdeadbeef00000001ULL;
    return (int)follow_tagged((const long *)where) + n;
}

struct title {
    char text[8];
    const int *page;
};
static int print_title(const struct title *title) { return *title->page + 1; }
static int text_pointer(int n)
{
    static struct title title;
    memcpy(&title, "A title of 16+ letters", 16); /* runs over into the pointer */
    where = &title;
    return print_title((const struct title *)where) + n;
}

static int peek(const int *p) { return *p + 1; }
static int wild_read(int n)
{
    where = (void *)0x100000000000ULL;
    return peek((const int *)where) + n;
}

static int poke(int *p)
{
    *p = 7;
    return 1;
}
static int wild_write(int n)
{
    where = (void *)0x2345678000ULL;
    return poke((int *)where) + n;
}

static long sum_page(const volatile long *words)
{
    long sum = 0;
    for (int i = 0; i < 100000; i++)
        sum += words[i];
    return sum;
}
static int past_the_end(int n)
{
    char *pages = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(pages, 1, 4096);
    munmap(pages + 4096, 15 * 4096);
    where = pages;
    return (int)sum_page((const volatile long *)where) + n;
}

static int fill_ring(volatile char *ring)
{
    for (int i = 0; i < 100000; i++)
        ring[i] = (char)i;
    return ring[0];
}
static int guard_page(int n)
{
    char *ring = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(ring + 4096, 4096, PROT_NONE);
    where = ring;
    return fill_ring((volatile char *)where) + n;
}

static int capitalize(char *word)
{
    word[0] -= 'a' - 'A';
    return word[0];
}
static int write_literal(int n)
{
    where = (void *)"words of a program are not to be changed";
    return capitalize((char *)where) + n;
}

static int patch_code(unsigned char *code)
{
    *code = 0xc3;
    return *code;
}
static int write_code(int n)
{
    where = (void *)(intptr_t)write_literal;
    return patch_code((unsigned char *)where) + n;
}

static int update_cache(int *cache, int value)
{
    cache[3] = value;
    return cache[4];
}
static int write_mapping(int n)
{
    FILE *file = fopen("cache", "w+");
    for (int i = 0; i < 4096; i++)
        fputc(i, file);
    fflush(file);
    where = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(file), 0);
    unlink("cache");
    return update_cache((int *)where, n) + n;
}

struct node {
    struct node *next;
    long value;
    long more[4];
};
static long next_value(const struct node *node) { return node->next->value + 1; }
static int freed_field(int n)
{
    struct node *node = take(sizeof *node);
    node->next = node;
    where = node;
    release(node);
    return (int)next_value((const struct node *)where) + n;
}

struct task {
    int (*run)(int);
    int argument;
};
static int run_task(const struct task *task) { return task->run(task->argument) + 1; }
static int freed_function(int n)
{
    struct task *task = take(sizeof *task);
    task->run = write_mapping;
    task->argument = n;
    where = task;
    release(task);
    return run_task((const struct task *)where) + n;
}

static long follow_freed(const struct node *node) { return *(const long *)node->more[2] + 1; }
static int freed_filled(int n)
{
    mallopt(M_PERTURB, 0x5a);
    struct node *node = take(2000);
    node->more[2] = (long)node;
    where = node;
    release(node);
    return (int)follow_freed((const struct node *)where) + n;
}

#define WAY(name) {#name, name}
static const struct way ways[] = {
    WAY(null_read),     WAY(null_write),         WAY(null_index),   WAY(null_far),     WAY(null_string),
    WAY(null_copy),     WAY(near_null),          WAY(non_canonical_read), WAY(text_pointer), WAY(wild_read),
    WAY(wild_write),    WAY(past_the_end),       WAY(guard_page),   WAY(write_literal), WAY(write_code),
    WAY(write_mapping), WAY(freed_field),        WAY(freed_function), WAY(freed_filled),
};

int main(int argc, char **argv) { return CHOOSE(ways, argc, argv); }
