/* Dies in a function that calls nothing, compiled without call frame information: where a call leaves its return
 * address in a register, nothing of the call is on the stack.
 *
 * The story: SIGSEGV in leaf <- middle <- outer <- main. */

__attribute__((noinline)) static int leaf(const volatile int *words, int index)
{
    return words[index] + 1;
}

__attribute__((noinline)) static int middle(const volatile int *words, int index)
{
    return leaf(words, index + 1) * 2 + index;
}

__attribute__((noinline)) static int outer(const volatile int *words, int index)
{
    return middle(words, index + 1) * 3 + index;
}

static const volatile int *volatile nowhere;

int main(int argc, char **argv)
{
    (void)argv;
    return outer(nowhere, argc) + 1;
}
