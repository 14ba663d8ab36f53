/* Dies inside the C library, which is called with a bad pointer.
 *
 * The story: SIGSEGV at 0x30 in strlen (whichever version the processor gets) <- measure <- main; the frame to
 * blame is measure. */
#include <string.h>

static size_t measure(const char *text)
{
    size_t length = strlen(text);
    return length + 1;
}

int main(void)
{
    return (int)measure((const char *)0x30);
}
