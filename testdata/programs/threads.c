/* Dies in one of eight worker threads while the others wait: thread 5 writes to read-only memory.
 *
 * The story: SIGSEGV (SEGV_ACCERR) in scribble <- worker, in a thread that is not the main one; the main thread
 * stands in pthread_join, the other workers in pause. All nine have a stack to show. */
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

enum { WORKERS = 8, VICTIM = 5 };

static const char constant[] = "this lies in .rodata";
static pthread_barrier_t all_started;

static void scribble(char *text)
{
    text[0] = 'T';
}

static void idle(void)
{
    for (;;)
        pause();
}

static void *worker(void *argument)
{
    pthread_barrier_wait(&all_started);
    if ((intptr_t)argument == VICTIM) {
        usleep(100000); /* the others have time to settle in pause */
        scribble((char *)(uintptr_t)constant);
    }
    idle();
    return NULL;
}

int main(void)
{
    pthread_t threads[WORKERS];
    pthread_barrier_init(&all_started, NULL, WORKERS);
    for (intptr_t i = 0; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, worker, (void *)i);
    return pthread_join(threads[0], NULL);
}
