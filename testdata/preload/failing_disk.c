/* A disk that fails: the Nth call of a program that changes files fails, or that one and all later ones. It is put into
   the program with LD_PRELOAD; its children are left alone. Standard streams and pipes never fail.

   FAILING_PROGRAM  the program, by its name
   FAILING_AT       which call, counted from 1 over all threads
   FAILING_WITH     the error number
   FAILING_ON       if it is there, all later calls fail as well
   FAILING_TOLD     a file that the failing call is named in, with what it was for */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long count;

static void tell(const char *call, const char *path) {
    const char *told = getenv("FAILING_TOLD");
    char line[4352];
    int fd = told ? syscall(SYS_openat, AT_FDCWD, told, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    int length = snprintf(line, sizeof line, "%s %s\n", call, path);
    if (fd >= 0 && syscall(SYS_write, fd, line, length) < 0)
        abort();
    if (fd >= 0)
        syscall(SYS_close, fd);
}

/* Whether this call fails. */
static int fails(const char *call, const char *path) {
    const char *program = getenv("FAILING_PROGRAM"), *at = getenv("FAILING_AT"), *with = getenv("FAILING_WITH");
    if (!program || !at || !with || strcmp(program, program_invocation_short_name))
        return 0;
    long now = atomic_fetch_add(&count, 1) + 1, first = atol(at);
    if (now != first && !(now > first && getenv("FAILING_ON")))
        return 0;
    tell(call, path);
    errno = atoi(with);
    return 1;
}

static int fails_on(const char *call, int fd) {
    struct stat status;
    char link[64], path[4097] = "";
    if (fd <= 2 || fstat(fd, &status) || !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) < 0)
        return 0;
    return fails(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t size) {
    return fails_on("write", fd) ? -1 : REAL(write)(fd, bytes, size);
}
ssize_t writev(int fd, const struct iovec *parts, int size) {
    return fails_on("writev", fd) ? -1 : REAL(writev)(fd, parts, size);
}
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    return fails_on("pwrite", fd) ? -1 : REAL(pwrite64)(fd, bytes, size, at);
}
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned flags) {
    return fails_on("copy_file_range", to) ? -1 : REAL(copy_file_range)(from, from_at, to, to_at, size, flags);
}
int fsync(int fd) { return fails_on("fsync", fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails_on("fdatasync", fd) ? -1 : REAL(fdatasync)(fd); }
int ftruncate64(int fd, off64_t size) { return fails_on("ftruncate", fd) ? -1 : REAL(ftruncate64)(fd, size); }
int fallocate64(int fd, int mode, off64_t at, off64_t size) {
    return fails_on("fallocate", fd) ? -1 : REAL(fallocate64)(fd, mode, at, size);
}
int mkdir(const char *path, mode_t mode) { return fails("mkdir", path) ? -1 : REAL(mkdir)(path, mode); }
int rename(const char *from, const char *to) { return fails("rename", to) ? -1 : REAL(rename)(from, to); }
int link(const char *from, const char *to) { return fails("link", to) ? -1 : REAL(link)(from, to); }
int unlink(const char *path) { return fails("unlink", path) ? -1 : REAL(unlink)(path); }
int rmdir(const char *path) { return fails("rmdir", path) ? -1 : REAL(rmdir)(path); }

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    if ((flags & O_ACCMODE) != O_RDONLY && strncmp(path, "/proc/", 6) && strncmp(path, "/dev/", 5) && fails("open", path))
        return -1;
    return REAL(open64)(path, flags, mode);
}
