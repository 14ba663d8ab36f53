/* Dies in code that has neither call frame information nor frame pointers, nor anything else but itself.
 *
 * The story: SIGSEGV in fetch <- weigh <- score, four times <- main. weigh has written small numbers all over its large
 * frame, so that guesses go wrong there. It is built with -fomit-frame-pointer and -fno-asynchronous-unwind-tables. */
static volatile int sink;

__attribute__((noinline)) int fetch(volatile int *from, int index)
{
    return from[index] + index;
}

__attribute__((noinline)) int weigh(volatile int *from, int count)
{
    volatile char scratch[300];
    for (int i = 0; i < count; i++)
        scratch[i] = (char)i;
    int result = fetch(from, count);
    sink = scratch[result & 3];
    return result + 1;
}

__attribute__((noinline)) int score(volatile int *from, int depth, int a, int b)
{
    if (depth == 0)
        return weigh(from, 7) + a;
    int result = score(from, depth - 1, b, a) * 3;
    sink += result + a * b;
    return result;
}

int main(int argc, char **argv)
{
    (void)argv;
    return score((volatile int *)0x40, 3, argc, 5) + sink;
}
