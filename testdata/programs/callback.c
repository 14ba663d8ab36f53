/* Dies in a callback that the C library calls: our frames, libc's, and ours again.
 *
 * The story: SIGSEGV in compare <- qsort's frames in libc <- sort_words <- main. */
#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return (*a)[0] - (*b)[0];
}

static void sort_words(const char **words, size_t count)
{
    qsort(words, count, sizeof *words, compare);
}

int main(void)
{
    const char *words[] = {"pear", NULL, "apple"};
    sort_words(words, 3);
    return 0;
}
