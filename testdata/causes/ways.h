/* A program that can die in several ways: its first argument says in which.
 *
 * Nothing here is the cause of a death. What a way returns is used after its call, so that no call of it is a tail call. */
#ifndef WAYS_H
#define WAYS_H
#include <stdio.h>
#include <string.h>

struct way {
    const char *name;
    int (*die)(int);
};

static int choose(const struct way *ways, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(ways[i].name, name))
            return ways[i].die((int)strlen(name)) == 12345 ? 1 : 2;
    fprintf(stderr, "no such way to die: %s\n", name);
    return 3;
}

#define CHOOSE(ways, argc, argv) choose(ways, sizeof(ways) / sizeof((ways)[0]), (argc) > 1 ? (argv)[1] : "")
#endif
