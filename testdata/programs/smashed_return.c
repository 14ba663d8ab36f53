/* Dies where it returned to: an address that it wrote over the right one, and over those of its callers.
 *
 * The story: SIGSEGV at 0x414141414141, where nothing is mapped. That is no call to nowhere: the address was on the
 * stack, as a return address. Nothing beyond may be invented. There is no stack protector. */
__attribute__((noinline)) static void fill(volatile unsigned long *from)
{
    for (int i = 0; i < 24; i++)
        from[i] = 0x414141414141;
}

__attribute__((noinline)) static int parse(void)
{
    volatile unsigned long name[2];
    fill(name);
    return (int)name[0];
}

int main(void)
{
    return parse() + 1;
}
