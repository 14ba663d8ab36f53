/* Crashes with as many mappings as its argument says: pages side by side that may be written and that may not. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void fill(char *pages, long count, long page)
{
    for (long i = 0; i < count; i += 2) {
        pages[i * page] = (char)i;
        if (mprotect(pages + i * page, (size_t)page, PROT_READ) != 0)
            _exit(3);
    }
}

static void write_first(char *pages)
{
    *pages = 1; /* which may only be read */
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 300;
    long page = sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, (size_t)(count * page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return 2;
    fill(pages, count, page);
    write_first(pages);
    return 0;
}
