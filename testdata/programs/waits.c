/* Threads that wait: for each other's locks, or for something else. A child process is the watchdog: it kills the
   process with SIGABRT when every thread sleeps; not so with a third argument "leave".
   Usage: waits MODE [NUMBER [leave]] */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 4
/* Bytes of the heap that the locks are in the middle of: more than is kept of a heap whatever is in it. */
#define HEAP (4 << 20)

static pthread_mutex_t *locks;
static pthread_rwlock_t rwlocks[2] = {PTHREAD_RWLOCK_INITIALIZER, PTHREAD_RWLOCK_INITIALIZER};
static pthread_barrier_t ready;
static pthread_t starter;
static long count;
static int to_nowhere[2];

static void init_locks(int type, int robust, int protocol) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type);
    if (robust)
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (protocol)
        pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    char *heap = malloc(HEAP);
    memset(heap, 1, HEAP);
    locks = (pthread_mutex_t *)(heap + HEAP / 2);
    for (int index = 0; index < MOST; index++)
        pthread_mutex_init(&locks[index], &attributes);
}

static void *take_next(void *argument) {
    long own = (long)argument;
    pthread_mutex_lock(&locks[own]);
    pthread_barrier_wait(&ready);
    pthread_mutex_lock(&locks[(own + 1) % count]);
    return 0;
}

static void *write_then_read(void *argument) {
    long own = (long)argument;
    pthread_rwlock_wrlock(&rwlocks[own]);
    pthread_barrier_wait(&ready);
    if (own == 0)
        pthread_rwlock_rdlock(&rwlocks[1]);
    else
        pthread_rwlock_wrlock(&rwlocks[0]);
    return 0;
}

static void *take_twice(void *argument) {
    pthread_mutex_lock(&locks[0]);
    pthread_mutex_lock(&locks[0]);
    return argument;
}

static void *take_and_read(void *argument) {
    char byte;
    pthread_mutex_lock(&locks[0]);
    pthread_barrier_wait(&ready);
    read(to_nowhere[0], &byte, 1);
    return argument;
}

static void *take_and_end(void *argument) {
    pthread_mutex_lock(&locks[0]);
    return argument;
}

static void *print(void *argument) {
    puts("this is not printed");
    return argument;
}

static void *take(void *argument) {
    pthread_mutex_lock(&locks[0]);
    return argument;
}

static void *take_for_an_hour(void *argument) {
    struct timespec until = {2000000000 + 3600, 0};
    pthread_mutex_timedlock(&locks[0], &until);
    return argument;
}

static void *join_starter(void *argument) {
    pthread_join(starter, 0);
    return argument;
}

static void *wait_condition(void *argument) {
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&locks[1]);
    pthread_cond_wait(&condition, &locks[1]);
    return argument;
}

static void *wait_semaphore(void *argument) {
    static sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    sem_wait(&semaphore);
    return argument;
}

static void *wait_barrier(void *argument) {
    static pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, 0, 2);
    pthread_barrier_wait(&barrier);
    return argument;
}

static pthread_t start(void *(*function)(void *), long argument) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    if (pthread_create(&thread, &attributes, function, (void *)argument))
        exit(1);
    return thread;
}

/* Tells whether a process has so many threads, and all of them sleep. */
static int sleeps(int pid, long threads) {
    char path[64], stat[512];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    struct dirent *task;
    while (tasks && (task = readdir(tasks))) {
        if (task->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%.16s/stat", pid, task->d_name);
        FILE *file = fopen(path, "r");
        stat[file ? fread(stat, 1, sizeof stat - 1, file) : 0] = 0;
        if (file)
            fclose(file);
        char *state = strrchr(stat, ')');
        threads -= state && state[2] == 'S';
    }
    closedir(tasks);
    return threads == 0;
}

static void watch(long threads) {
    int watched = getpid();
    if (fork())
        return;
    for (int asleep = 0; asleep < 5; usleep(20000)) {
        if (getppid() != watched)
            _exit(0);
        asleep = sleeps(watched, threads) ? asleep + 1 : 0;
    }
    kill(watched, SIGABRT);
    _exit(0);
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "ring";
    count = argc > 2 ? atol(argv[2]) : 2;
    int held = !strcmp(mode, "crowd") || !strcmp(mode, "inherit");
    long threads = !strcmp(mode, "self") || !strcmp(mode, "orphan") || !strcmp(mode, "print") ? 1
                   : !strcmp(mode, "kinds")                         ? 4
                   : !strcmp(mode, "timed")                         ? 2
                                                                    : count + held;
    starter = pthread_self();
    pipe(to_nowhere);
    if (argc <= 3)
        watch(threads + 1);
    init_locks(!strcmp(mode, "recursive") ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL, !strcmp(mode, "robust"),
               !strcmp(mode, "inherit"));
    pthread_t last = 0;
    if (!strcmp(mode, "self")) {
        last = start(take_twice, 0);
    } else if (!strcmp(mode, "orphan")) {
        pthread_join(start(take_and_end, 0), 0);
        last = start(take, 0);
    } else if (!strcmp(mode, "rwlock")) {
        pthread_barrier_init(&ready, 0, 2);
        start(write_then_read, 0);
        last = start(write_then_read, 1);
    } else if (!strcmp(mode, "join")) {
        /* The thread that started the others waits for a lock, and who holds it for that thread's end. */
        pthread_mutex_lock(&locks[0]);
        for (long index = 0; index < count; index++)
            start(join_starter, index);
        pthread_mutex_lock(&locks[0]);
    } else if (!strcmp(mode, "kinds")) {
        start(wait_condition, 0);
        start(wait_semaphore, 0);
        start(wait_barrier, 0);
        last = start(take_twice, 0);
    } else if (!strcmp(mode, "print")) {
        flockfile(stdout);
        pthread_join(start(print, 0), 0);
    } else if (!strcmp(mode, "timed")) {
        pthread_mutex_lock(&locks[0]);
        start(take_for_an_hour, 0);
        last = start(take_for_an_hour, 0);
    } else if (held) {
        pthread_barrier_init(&ready, 0, 2);
        start(take_and_read, 0);
        pthread_barrier_wait(&ready);
        for (long index = 0; index < count; index++)
            last = start(take, index);
    } else {
        pthread_barrier_init(&ready, 0, count);
        for (long index = 0; index < count; index++)
            last = start(take_next, index);
    }
    pthread_join(last, 0);
    return 0;
}
