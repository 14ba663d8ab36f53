/* Is killed by another process: its own child, which doesn't like what it sees. */
//: deadlock; signal=ABRT; class=deadlock|watchdog; builds=threads; why=both are true: it was killed, because its threads hold each other's locks
//: self_deadlock; signal=ABRT; class=deadlock|watchdog; builds=threads; why=both are true
//: busy; signal=ABRT; class=watchdog; builds=threads
//: asleep; signal=QUIT; class=watchdog; builds=threads
//: killed_segv; signal=SEGV; class=killed_by_other; builds=threads
//: killed_system; signal=SYS; class=killed_by_other; builds=threads
#define _GNU_SOURCE
#include "ways.h"
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static pthread_mutex_t left = PTHREAD_MUTEX_INITIALIZER, right = PTHREAD_MUTEX_INITIALIZER;
static volatile unsigned count;

static void watch(int number)
{
    pid_t watched = getpid();
    if (fork() == 0) {
        usleep(300000);
        kill(watched, number);
        _exit(0);
    }
}

static void *left_first(void *argument)
{
    pthread_mutex_lock(&left);
    usleep(50000);
    pthread_mutex_lock(&right);
    return argument;
}
static void *right_first(void *argument)
{
    pthread_mutex_lock(&right);
    usleep(50000);
    pthread_mutex_lock(&left);
    return argument;
}
static int deadlock(int n)
{
    pthread_t one, two;
    watch(SIGABRT);
    pthread_create(&one, NULL, left_first, NULL);
    pthread_create(&two, NULL, right_first, NULL);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    return n;
}
static int update(pthread_mutex_t *lock)
{
    pthread_mutex_lock(lock);
    int result = pthread_mutex_lock(lock);
    return result + 1;
}
static int self_deadlock(int n)
{
    watch(SIGABRT);
    return update(&left) + n;
}
static int busy(int n)
{
    watch(SIGABRT);
    for (;;)
        count += (unsigned)n;
}
static int asleep(int n)
{
    watch(SIGQUIT);
    return pause() + n;
}
static int killed_segv(int n)
{
    watch(SIGSEGV);
    return pause() + n;
}
static int killed_system(int n)
{
    watch(SIGSYS);
    return pause() + n;
}

#define WAY(name) {#name, name}
static const struct way ways[] = {
    WAY(deadlock), WAY(self_deadlock), WAY(busy), WAY(asleep), WAY(killed_segv), WAY(killed_system),
};

int main(int argc, char **argv) { return CHOOSE(ways, argc, argv); }
