/* Dies by abort() at the bottom of 20,000 nested calls, long before the stack is full.
 *
 * The story: SIGABRT; abort <- descend (20,000 times) <- main. A walk must neither stop early nor take long. */
#include <stdlib.h>

static int descend(int levels)
{
    volatile int kept = levels;
    if (levels == 0)
        abort();
    return descend(levels - 1) + kept;
}

int main(void)
{
    return descend(19999);
}
