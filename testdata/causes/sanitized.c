/* Dies because a sanitizer found something; what it prints is the right story. */
//: asan_heap_overflow; signal=ABRT; class=sanitizer:heap-buffer-overflow; in=sum_all; builds=asan|asan_clang; holds=AddressSanitizer: heap-buffer-overflow
//: asan_freed; signal=ABRT; class=sanitizer:heap-use-after-free; in=value_of; builds=asan|asan_clang; holds=AddressSanitizer: heap-use-after-free
//: asan_stack; signal=ABRT; class=sanitizer:stack-buffer-overflow; in=fill; builds=asan|asan_clang; holds=AddressSanitizer: stack-buffer-overflow
//: asan_global; signal=ABRT; class=sanitizer:global-buffer-overflow; in=look_up; builds=asan|asan_clang; holds=AddressSanitizer: global-buffer-overflow
//: asan_double_free; signal=ABRT; class=sanitizer:double-free|sanitizer:attempting; in=drop; builds=asan|asan_clang; why=the report says `attempting double-free`; holds=AddressSanitizer: 
//: asan_bad_free; signal=ABRT; class=sanitizer:bad-free|sanitizer:attempting; in=drop_inner; builds=asan|asan_clang; why=the report says `attempting free`; holds=AddressSanitizer: 
//: asan_null; signal=ABRT; class=sanitizer:SEGV|null_deref:read; in=read_it; builds=asan|asan_clang; why=its handler only repeats what the processor said
//: asan_overflow; signal=ABRT; class=sanitizer:stack-overflow|stack_overflow; in=descend; builds=asan|asan_clang; why=its handler only repeats what the processor said
//: ubsan_overflow; signal=ABRT; class=sanitizer; in=add; builds=ubsan|ubsan_clang
//: ubsan_shift; signal=ABRT; class=sanitizer; in=shift; builds=ubsan|ubsan_clang
//: ubsan_trap; signal=ILL; class=trap; in=add; builds=ubsan_trap
//: tsan_race; signal=ABRT; class=sanitizer:data-race|sanitizer:data race; in=count_up; builds=tsan|tsan_clang; why=the report has a space there, and is not kept
#include "ways.h"
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

const char *__asan_default_options(void)
{
    return "abort_on_error=1:disable_coredump=0:detect_leaks=0:use_sigaltstack=1:fast_unwind_on_fatal=1";
}
const char *__ubsan_default_options(void) { return "abort_on_error=1:disable_coredump=0:print_stacktrace=0"; }
const char *__tsan_default_options(void) { return "abort_on_error=1:disable_coredump=0:halt_on_error=1"; }

static void *volatile where;
static volatile int largest = INT_MAX;

static int sum_all(const int *numbers, int count)
{
    int sum = 0;
    for (int i = 0; i <= count; i++)
        sum += numbers[i];
    return sum;
}
static int asan_heap_overflow(int n)
{
    where = calloc(10, sizeof(int));
    return sum_all((const int *)where, 10) + n;
}
static int value_of(const int *of) { return of[3] + 1; }
static int asan_freed(int n)
{
    where = calloc(10, sizeof(int));
    free(where);
    return value_of((const int *)where) + n;
}
static __attribute__((noinline)) int fill(int count)
{
    volatile char text[10];
    for (int i = 0; i < count; i++)
        text[i] = (char)i;
    return text[3];
}
static int asan_stack(int n) { return fill(n + 4) + n; }
static volatile int table[10];
static __attribute__((noinline)) int look_up(int at) { return table[at] + 1; }
static int asan_global(int n) { return look_up(n) + n; }
static int drop(void *block)
{
    free(block);
    return 1;
}
static int asan_double_free(int n)
{
    where = malloc(100);
    free(where);
    return drop(where) + n;
}
static int drop_inner(char *block)
{
    free(block + 8);
    return 1;
}
static int asan_bad_free(int n)
{
    where = malloc(100);
    return drop_inner((char *)where) + n;
}
static int read_it(const int *from) { return *from + 1; }
static int asan_null(int n)
{
    where = NULL;
    return read_it((const int *)where) + n;
}
static __attribute__((noinline)) int descend(int depth)
{
    volatile int place[40];
    place[depth & 31] = depth;
    return descend(depth + 1) + place[1] + place[depth & 31];
}
static int asan_overflow(int n) { return descend(n) + n; }

static __attribute__((noinline)) int add(int a, int b) { return a + b; }
static int ubsan_overflow(int n) { return add(largest, n) == 1; }
static int ubsan_trap(int n) { return add(largest, n) == 1; }
static __attribute__((noinline)) int shift(int number, int by) { return number << by; }
static int ubsan_shift(int n) { return shift(n, n + 104) == 1; }

static int counter;
static __attribute__((noinline)) void count_up(void)
{
    for (int i = 0; i < 1000; i++)
        counter++;
}
static void *worker(void *argument)
{
    count_up();
    return argument;
}
static int tsan_race(int n)
{
    pthread_t one, two;
    pthread_create(&one, NULL, worker, NULL);
    pthread_create(&two, NULL, worker, NULL);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    return n;
}

#define WAY(name) {#name, name}
static const struct way ways[] = {
    WAY(asan_heap_overflow), WAY(asan_freed),     WAY(asan_stack), WAY(asan_global),   WAY(asan_double_free), WAY(asan_bad_free),
    WAY(asan_null),          WAY(asan_overflow),  WAY(ubsan_overflow), WAY(ubsan_shift), WAY(ubsan_trap),     WAY(tsan_race),
};

int main(int argc, char **argv) { return CHOOSE(ways, argc, argv); }
