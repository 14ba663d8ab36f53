/* Dies in code that keeps frame pointers and has no call frame information at all.
 *
 * The story: SIGSEGV in fetch <- gather <- main. Only rbp leads from one to the next. It is built with
 * -fno-asynchronous-unwind-tables, and .debug_frame is taken out afterwards. */
__attribute__((noinline)) static int fetch(const int *from, int index)
{
    volatile int last[4]; /* a function without a frame of its own would get no frame pointer either */
    last[index & 3] = from[index];
    return last[index & 3] + 1;
}

__attribute__((noinline)) static int gather(const int *from, int count)
{
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += fetch(from, i);
    return sum;
}

int main(void)
{
    return gather((const int *)0x40, 3) + 1;
}
