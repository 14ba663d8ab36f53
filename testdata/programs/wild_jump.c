/* Dies by calling a function through a pointer that was overwritten with a number.
 *
 * The story: SIGSEGV with a program counter where nothing is mapped; the caller is dispatch <- main. */
#include <stdint.h>
#include <string.h>

typedef int (*handler)(int);

static int dispatch(handler handle, int value)
{
    return handle(value) + 1;
}

int main(void)
{
    uint64_t garbage = 0x1234567890ab;
    handler handle;
    memcpy(&handle, &garbage, sizeof handle);
    return dispatch(handle, 3);
}
