/* Dies inside a library that was loaded with dlopen from the executable's own folder.
 *
 * The story: SIGSEGV in first_word <- plugin_handle, both in plugin.so, <- call_plugin <- main. */
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef int (*handle_function)(const int *);

static int call_plugin(handle_function handle)
{
    int result = handle((const int *)0x20);
    return result * 2;
}

int main(void)
{
    char self[PATH_MAX] = "", path[PATH_MAX + 16];
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        return 2;
    snprintf(path, sizeof path, "%s/plugin.so", dirname(self));
    void *library = dlopen(path, RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    handle_function handle = (handle_function)dlsym(library, "plugin_handle");
    return handle ? call_plugin(handle) : 2;
}
