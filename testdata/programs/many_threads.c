/* Dies by abort() while 1,200 threads wait, each below as many calls as its number says.
 *
 * The story: SIGABRT; abort <- settle <- main; the other threads: settle (1 to 7 times) <- worker. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORKERS = 1200, STACK = 64 << 10 };

static sem_t waiting;

__attribute__((noinline)) static int settle(int levels)
{
    if (levels > 0)
        return settle(levels - 1) + 1;
    if (levels < 0)
        abort();
    sem_post(&waiting);
    for (;;)
        pause();
}

static void *worker(void *number)
{
    settle((int)((long)number % 7));
    return NULL;
}

int main(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    sem_init(&waiting, 0, 0);
    for (long i = 0; i < WORKERS; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &attributes, worker, (void *)i) != 0)
            return 1;
    }
    for (int i = 0; i < WORKERS; i++)
        sem_wait(&waiting);
    return settle(-1);
}
