/* Dies by calling a function through a NULL pointer.
 *
 * The story: SIGSEGV with a program counter of 0. There is no code and no call frame information at 0: the caller
 * is on top of the stack, and it is notify <- main. */
#include <stddef.h>

struct listener {
    int (*changed)(int);
};

static int notify(const struct listener *listener, int value)
{
    int result = listener->changed(value);
    return result + 1;
}

int main(void)
{
    struct listener nobody = {NULL};
    return notify(&nobody, 7);
}
