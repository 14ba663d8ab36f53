/* Dies below a chain of calls through many libraries, m1.so to mN.so beside the program: modules N.
 *
 * The story: SIGSEGV in spoil <- step in mN.so <- ... <- step in m1.so <- main. Built with -DMODULE, this is one of the
 * libraries. */
#include <stddef.h>

struct chain {
    int (*step)(const struct chain *);
};

#ifdef MODULE

int step(const struct chain *chain)
{
    const struct chain *next = chain + 1;
    return next->step(next) + 1;
}

#else

#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int spoil(const struct chain *chain)
{
    volatile int *nothing = NULL;
    return *nothing + (chain != NULL);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 0;
    char self[PATH_MAX] = "", path[PATH_MAX + 32];
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        return 2;
    const char *folder = dirname(self);
    struct chain *chain = calloc((size_t)count + 1, sizeof *chain);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/m%d.so", folder, i + 1);
        void *library = dlopen(path, RTLD_NOW);
        if (!library) {
            fprintf(stderr, "%s\n", dlerror());
            return 2;
        }
        chain[i].step = (int (*)(const struct chain *))dlsym(library, "step");
    }
    chain[count].step = spoil;
    return chain->step(chain);
}

#endif
