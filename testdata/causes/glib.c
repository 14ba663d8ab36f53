/* Dies because GLib gives up. */
//: glib_assertion; signal=ABRT; class=assertion; in=check_items; builds=glib; holds=assertion failed: (items != NULL)
//: glib_compare; signal=ABRT; class=assertion; in=check_count; builds=glib; holds=assertion failed (count == 3): (16 == 3)
//: glib_error; signal=TRAP; class=glib_fatal|abort_call|trap; in=load; builds=glib; why=GLib stops the program by a breakpoint that it means
#include "ways.h"
#include <glib.h>

static GList *volatile none;

static int check_items(GList *items)
{
    g_assert(items != NULL);
    return 1;
}
static int check_count(int count)
{
    g_assert_cmpint(count, ==, 3);
    return count;
}
static int load(const char *path)
{
    g_error("cannot load %s: no such resource", path);
    return 1;
}

static int glib_assertion(int n) { return check_items(none) + n; }
static int glib_compare(int n) { return check_count(n + 4) + n; }
static int glib_error(int n) { return load("/org/example/icon.png") + n; }

#define WAY(name) {#name, name}
static const struct way ways[] = {WAY(glib_assertion), WAY(glib_compare), WAY(glib_error)};

int main(int argc, char **argv) { return CHOOSE(ways, argc, argv); }
