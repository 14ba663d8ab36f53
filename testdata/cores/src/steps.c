/* Calls in many ways, without a C library, to be unwound at each of its instructions: leaf functions, functions that
 * keep many registers, recursion, calls through pointers, tail calls, frames of a size that only the run tells. It ends
 * by itself. */
#include "bare.h"

#define NOINLINE __attribute__((noinline))

typedef long (*operation)(long, long);

static volatile long sink;

NOINLINE static long add(long a, long b)
{
    return a + b;
}

NOINLINE static long scaled(long a, long b)
{
    sink += a;
    return add(a * 2, b);
}

NOINLINE static long fold(operation apply, const long *values, int count)
{
    long result = 0;
    for (int i = 0; i < count; i++)
        result = apply(result, values[i]);
    return result;
}

NOINLINE static long many_registers(long a, long b, long c, long d)
{
    long e = add(a, b), f = add(b, c), g = add(c, d), h = add(d, a);
    return add(e * f, g * h) + a * b * c * d + e + f + g + h;
}

NOINLINE static long of_run_time_size(int count)
{
    long values[count];
    for (int i = 0; i < count; i++)
        values[i] = i;
    return fold(scaled, values, count) + fold(add, values, count);
}

NOINLINE static long large_frame(long a)
{
    volatile long values[700];
    values[0] = a;
    values[699] = add(a, 1);
    return values[0] + values[699];
}

NOINLINE static long recurse(int level)
{
    if (level == 0)
        return many_registers(1, 2, 3, 4);
    return recurse(level - 1) + of_run_time_size(level);
}

__attribute__((used, noreturn)) static void start(void)
{
    sink = recurse(2) + large_frame(7);
    for (;;)
        raw_syscall(__NR_exit_group, 0, 0, 0, 0);
}
