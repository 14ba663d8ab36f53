/* Dies because a check that a compiler or the C library added found something. */
//: smashed; signal=ABRT; class=stack_smash; in=read_name; builds=protected; message=*** stack smashing detected ***: terminated
//: fortified_copy; signal=ABRT; class=fortify; in=store; builds=fortified; message=*** buffer overflow detected ***: terminated
//: fortified_print; signal=ABRT; class=fortify; in=show; builds=fortified; message=*** buffer overflow detected ***: terminated
//: fortified_set; signal=ABRT; class=fortify; in=watch; builds=fortified; message=*** bit out of range 0 - FD_SETSIZE on fd_set ***: terminated
//: fortified_format; signal=ABRT; class=fortify; in=count_written; builds=fortified; message=*** %n in writable segment detected ***
#include "ways.h"
#include <stdlib.h>
#include <sys/select.h>

static char *volatile where;
static volatile size_t size = 64;

static __attribute__((noinline)) int read_name(const char *from, size_t length)
{
    char name[16];
    where = name;
    char *to = where;
    for (size_t i = 0; i < length; i++)
        to[i] = from[i];
    return name[3];
}
static int smashed(int n)
{
    char line[128];
    memset(line, 'x', sizeof line);
    return read_name(line, size) + n;
}

static __attribute__((noinline)) int store(const char *from)
{
    char name[16];
    where = name;
    strcpy(name, from);
    return name[3] + where[1];
}
static int fortified_copy(int n)
{
    char line[128];
    memset(line, 'x', sizeof line);
    line[size] = 0;
    return store(line) + n;
}

static __attribute__((noinline)) int show(int number)
{
    char text[8];
    where = text;
    sprintf(text, "number %d of many", number);
    return text[1] + where[1];
}
static int fortified_print(int n) { return show(n) + n; }

static __attribute__((noinline)) int watch(int file)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(file, &set);
    return FD_ISSET(3, &set) + 1;
}
static int fortified_set(int n) { return watch((int)size * 100) + n; }

static __attribute__((noinline)) int count_written(char *format)
{
    int written = 0;
    char text[64];
    snprintf(text, sizeof text, format, &written);
    return written + 1;
}
static int fortified_format(int n)
{
    static char format[8] = "some%n";
    return count_written(format) + n;
}

#define WAY(name) {#name, name}
static const struct way ways[] = {
    WAY(smashed), WAY(fortified_copy), WAY(fortified_print), WAY(fortified_set), WAY(fortified_format),
};

int main(int argc, char **argv) { return CHOOSE(ways, argc, argv); }
