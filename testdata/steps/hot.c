/* Functions of every shape that compilers give a frame. The test of single steps goes through each instruction of them;
   nothing here crashes. The program stops itself where the steps begin, and does so again where they end. */
#include <alloca.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

static volatile int sink;
static volatile int one = 1;

NOINLINE static int leaf(int a, int b) { return a * 3 + b; }

NOINLINE static int many(int a, int b, int c, int d, int e, int f, int g, int h) {
    return leaf(a, b) + leaf(c, d) + leaf(e, f) + leaf(g, h) + a * h;
}

NOINLINE static int recursive(int n) { return n == 0 ? leaf(1, 2) : recursive(n - 1) + many(n, 2, 3, 4, 5, 6, 7, 8); }

/* The early way out needs no frame: compilers make one only after it. */
NOINLINE static int shrunk(int n, int *out) {
    if (n < 0)
        return -1;
    int sum = 0;
    for (int i = 0; i < n; i++) {
        sum += leaf(i, sum);
        *out += leaf(sum, i);
    }
    return sum;
}

NOINLINE static int large(int n) {
    char pages[3 * 4096];
    memset(pages, n, sizeof pages);
    sink += leaf(pages[n], pages[4096]);
    return pages[n * 2];
}

NOINLINE static int dynamic(int n) {
    char *a = alloca(n);
    int b[n];
    memset(a, 1, n);
    for (int i = 0; i < n; i++)
        b[i] = leaf(i, a[i]);
    sink += b[n / 2];
    return a[n - 1] + b[n - 1];
}

NOINLINE static int aligned(int n) {
    _Alignas(64) char line[128];
    memset(line, n, sizeof line);
    sink += leaf(line[5], (int)((unsigned long)line % 64));
    return line[n] + leaf(line[n + 1], n);
}

/* Realigned and of a size that nobody knows: both ends of the frame move. */
NOINLINE static int aligned_dynamic(int n) {
    _Alignas(64) char line[64];
    char *more = alloca(n);
    memset(line, n, sizeof line);
    memset(more, n, n);
    return leaf(line[1], more[2]);
}

NOINLINE static int cases(int n) {
    switch (n) {
    case 0: return leaf(n, 1) + 1;
    case 1: return leaf(n, 2) * leaf(n, 5);
    case 2: sink++; return many(n, 1, 2, 3, 4, 5, 6, 7);
    case 3: return leaf(leaf(n, 1), 2);
    case 4: sink += leaf(n, 9); return 7;
    case 5: return leaf(3, n) - 1;
    case 6: return many(1, n, 1, n, 1, n, 1, n) / 2;
    default: return 0;
    }
}

/* Calls that never come back are followed by other ways' code. */
NOINLINE static void checked(int n) {
    if (n > 1000)
        abort();
    sink += leaf(n, n);
    if (n > 900)
        exit(1);
    sink += leaf(n, 1);
}

NOINLINE static int variadic(int n, ...) {
    va_list rest;
    va_start(rest, n);
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += leaf(va_arg(rest, int), i);
    va_end(rest);
    return sum;
}

NOINLINE static int tail(int n) { return many(n, 1, 1, 1, 1, 1, 1, 1); }

NOINLINE static double floating(double x, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x / (leaf(i, 1) + 1);
    return sum;
}

NOINLINE static int by_pointer(int (*function)(int), int n) { return function(n) + function(n + 1); }

static int order(const void *a, const void *b) { return leaf(*(const int *)a, 0) - leaf(*(const int *)b, 0); }

static void on_signal(int number) { sink += leaf(number, 2); }

NOINLINE static int everything(int round) {
    int out = 0;
    int numbers[] = {5, 3, round, 8, 1, 9, 2};
    char text[64];
    sink += recursive(3) + shrunk(3, &out) + shrunk(-1, &out) + large(1 + round) + dynamic(20 + round);
    sink += aligned(3) + aligned_dynamic(9) + variadic(3, 1, 2, round) + tail(round) + (int)floating(2.5, 3);
    for (int n = 0; n < 8; n++)
        sink += cases(n);
    checked(round);
    sink += by_pointer(one ? tail : cases, round) + by_pointer(cases, 1);
    qsort(numbers, sizeof numbers / sizeof *numbers, sizeof *numbers, order);
    snprintf(text, sizeof text, "%d %s %.2f", numbers[2], "text", 1.5 * round);
    raise(SIGUSR1);
    return out + numbers[0] + (int)strlen(text);
}

int main(void) {
    signal(SIGUSR1, on_signal);
    raise(SIGSTOP);
    for (int round = 0; round < 4; round++)
        sink += everything(round);
    return 0;
}
