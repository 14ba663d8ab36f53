/* Dies inside the vDSO: clock_gettime writes its result through a bad pointer.
 *
 * The story: SIGSEGV at 0x8 in the vDSO, which exists in no file, only in the core: clock_gettime <- read_clock
 * <- main. */
#include <time.h>

static long read_clock(struct timespec *result)
{
    clock_gettime(CLOCK_MONOTONIC, result);
    return result->tv_sec;
}

int main(void)
{
    return (int)read_clock((struct timespec *)8);
}
