/* Dies by returning to an address that it overwrote itself: a copy that is too long for its buffer.
 *
 * The story: SIGSEGV at the return of copy_name. Its own frame is right; what it returns to is "ZZZZZZZZ", and so
 * nothing beyond may be invented. There is no stack protector. */
#include <string.h>

static volatile int length = 80;

__attribute__((noinline)) static int copy_name(void)
{
    char name[16];
    memset(name, 'Z', (size_t)length);
    return name[3];
}

int main(void)
{
    return copy_name() + 1;
}
