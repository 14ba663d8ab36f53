/* Dies by abort(), two calls below main, and is built without -g: the least that a CI job's core can offer.
 *
 * The story: SIGABRT, sent by the process to itself. abort <- give_up <- main, by name and without lines, since
 * only the symbol table names them. */
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline)) static void give_up(int code)
{
    fprintf(stderr, "giving up with code %d\n", code);
    abort();
}

int main(int argc, char **argv)
{
    (void)argv;
    give_up(argc + 6);
    return 0;
}
