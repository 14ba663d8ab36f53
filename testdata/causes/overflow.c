/* Dies because a stack is too small for it. */
//: overflow_main; signal=SEGV; class=stack_overflow; in=visit
//: overflow_mutual; signal=SEGV; class=stack_overflow; in=even|odd
//: overflow_thread; signal=SEGV; class=stack_overflow; in=climb
//: overflow_large_frame; signal=SEGV; class=stack_overflow; in=render
//: overflow_alloca; signal=SEGV; class=stack_overflow; in=copy_line
//: overflow_callback; signal=SEGV; class=stack_overflow; in=compare
//: overflow_handled; signal=ABRT; class=stack_overflow; in=scan
#define _GNU_SOURCE
#include "ways.h"
#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct tree {
    struct tree *left;
    int value;
};
static struct tree endless = {&endless, 1};
static struct tree *volatile root = &endless;

static __attribute__((noinline)) int visit(const struct tree *tree)
{
    volatile int values[16];
    if (!tree)
        return 0;
    values[tree->value & 7] = tree->value;
    return visit(tree->left) + values[1] + values[tree->value & 7];
}
static int overflow_main(int n) { return visit(root) + n; }

static int odd(const struct tree *tree, volatile int *sum);
static __attribute__((noinline)) int even(const struct tree *tree, volatile int *sum)
{
    volatile int part = *sum + 1;
    return tree ? odd(tree->left, &part) + part : *sum;
}
static __attribute__((noinline)) int odd(const struct tree *tree, volatile int *sum)
{
    volatile int part = *sum - 1;
    return tree ? even(tree->left, &part) + part : *sum;
}
static int overflow_mutual(int n)
{
    volatile int sum = n;
    return even(root, &sum) + n;
}

static __attribute__((noinline)) int climb(const struct tree *tree)
{
    volatile int values[24];
    values[tree->value & 7] = tree->value;
    return climb(tree->left) + values[2] + values[tree->value & 7];
}
static void *worker(void *argument)
{
    volatile int sum = climb(argument);
    return sum ? argument : NULL;
}
static int overflow_thread(int n)
{
    pthread_t thread;
    pthread_create(&thread, NULL, worker, root);
    pthread_join(thread, NULL);
    return n;
}

static __attribute__((noinline)) int render(int width)
{
    volatile char picture[48 * 1024];
    picture[0] = (char)width;
    return render(width + 1) + picture[0] + picture[width & 1023];
}
static int overflow_large_frame(int n) { return render(n) + n; }

static __attribute__((noinline)) int copy_line(size_t length)
{
    char *copy = alloca(length);
    memset(copy, 1, length);
    return copy[length / 2];
}
static int overflow_alloca(int n) { return copy_line((size_t)n * 1024 * 1024) + n; }

static int numbers[3] = {3, 1, 2};
static int compare(const void *a, const void *b)
{
    volatile int order = *(const int *)a - *(const int *)b;
    qsort(numbers, 3, sizeof numbers[0], compare);
    return order;
}
static int overflow_callback(int n)
{
    qsort(numbers, 3, sizeof numbers[0], compare);
    return n;
}

static __attribute__((noinline)) int scan(const struct tree *tree)
{
    volatile int values[8];
    values[tree->value & 7] = tree->value;
    return scan(tree->left) - values[3] + values[tree->value & 7];
}
static void on_overflow(int number)
{
    (void)number;
    abort();
}
static int overflow_handled(int n)
{
    static char space[65536];
    stack_t stack = {.ss_sp = space, .ss_size = sizeof space};
    struct sigaction action = {.sa_handler = on_overflow, .sa_flags = SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    return scan(root) + n;
}

#define WAY(name) {#name, name}
static const struct way ways[] = {
    WAY(overflow_main),   WAY(overflow_mutual),   WAY(overflow_thread),  WAY(overflow_large_frame),
    WAY(overflow_alloca), WAY(overflow_callback), WAY(overflow_handled),
};

int main(int argc, char **argv) { return CHOOSE(ways, argc, argv); }
