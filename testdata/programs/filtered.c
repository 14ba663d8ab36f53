/* System calls that a filter (seccomp) refuses.
   Usage: filtered process     the process is killed for getppid
          filtered threads     so it is, by the third of four threads
          filtered thread      a thread is killed, and the process goes on: it ends with 7
          filtered busy        a thread is killed while the first waits for a child's exec (vfork); then that crashes
          filtered ptrace PROGRAM ARGUMENT...
                               the program is executed where ptrace is refused */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void refuse(unsigned call, unsigned verdict) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, verdict),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("seccomp");
        _exit(99);
    }
}

static __attribute__((noinline)) long ask_parent(void) {
    return syscall(SYS_getppid) + 1;
}

static pthread_barrier_t ready;

static void *work(void *asks) {
    pthread_barrier_wait(&ready);
    if (asks)
        ask_parent();
    for (;;)
        pause();
    return asks;
}

static void *ask(void *unused) {
    usleep(100000);
    ask_parent();
    return unused;
}

/* So many threads, of which one asks. */
static void start(int count, int asking, pthread_t *threads) {
    pthread_barrier_init(&ready, NULL, count + 1);
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, work, i == asking ? "" : NULL);
    pthread_barrier_wait(&ready);
}

int main(int argc, char **argv) {
    pthread_t threads[4];
    const char *mode = argc > 1 ? argv[1] : "process";
    if (!strcmp(mode, "ptrace") && argc > 2) {
        refuse(SYS_ptrace, SECCOMP_RET_ERRNO | EPERM);
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        return 99;
    }
    int alone = !strcmp(mode, "thread") || !strcmp(mode, "busy");
    refuse(SYS_getppid, alone ? SECCOMP_RET_KILL_THREAD : SECCOMP_RET_KILL_PROCESS);
    if (!strcmp(mode, "process"))
        return ask_parent() == 0;
    if (!strcmp(mode, "busy")) {
        pthread_create(&threads[0], NULL, ask, NULL);
        if (vfork() == 0) {
            /* For longer than a thread is waited for that doesn't stop. */
            sleep(2);
            _exit(0);
        }
        pthread_join(threads[0], NULL);
        return raise(SIGSEGV);
    }
    if (!strcmp(mode, "thread")) {
        start(2, 1, threads);
        pthread_join(threads[1], NULL);
        return 7;
    }
    start(4, 2, threads);
    for (;;)
        pause();
}
