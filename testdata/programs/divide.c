/* Dies by an integer division by zero.
 *
 * The story: SIGFPE (FPE_INTDIV) in average <- report <- main; the fault address is the instruction itself. */
#include <stdio.h>

static int average(const int *values, int count)
{
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += values[i];
    return sum / count;
}

static void report(const int *values, int count)
{
    printf("average: %d\n", average(values, count));
}

int main(void)
{
    int values[] = {1, 2, 3};
    report(values, 0);
    return 0;
}
