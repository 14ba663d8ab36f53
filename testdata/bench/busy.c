/* Dies in one of many threads, over a heap of any size: busy HEAP_MIB THREADS STACK_KIB SPARSE_MIB.
 *
 * The story: SIGSEGV in spoil <- handle <- serve <- worker, in the middle one of THREADS threads; the others stand in
 * pause <- rest <- handle <- serve <- worker, and the main thread in pthread_join. The heap holds records that point at each
 * other, with text and with bytes that don't compress; of the sparse mapping one page in a MiB was touched. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

enum { MIB = 1 << 20 };

struct record {
    struct record *next;
    uint64_t id, noise;
    char text[40];
};

static pthread_barrier_t all_started;
static struct record *volatile first;

NOINLINE static int spoil(volatile int *nothing, long id)
{
    *nothing = (int)id;
    return *nothing;
}

NOINLINE static int rest(long id)
{
    for (;;)
        pause();
    return (int)id;
}

NOINLINE static int handle(long id, int victim)
{
    int done = victim ? spoil(NULL, id) : rest(id);
    return done + 1;
}

NOINLINE static int serve(long id, int victim)
{
    int served = handle(id, victim);
    return served + 1;
}

static long threads, victim;

static void *worker(void *argument)
{
    long id = (long)argument;
    pthread_barrier_wait(&all_started);
    if (id == victim)
        usleep(300000); /* the others have time to settle in pause */
    return (void *)(long)serve(id, id == victim);
}

static void fill_heap(long mib)
{
    static const char *const words[] = {"order", "customer", "invoice", "address", "parcel", "street", "credit", "refund"};
    uint64_t state = 4711;
    for (long block = 0; block < mib; block++) {
        struct record *records = malloc(MIB);
        if (!records)
            exit(2);
        for (size_t i = 0; i < MIB / sizeof *records; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            records[i].next = first;
            records[i].id = i;
            records[i].noise = state;
            memset(records[i].text, 0, sizeof records[i].text);
            strcpy(records[i].text, words[state >> 61]);
            strcat(records[i].text, words[state >> 58 & 7]);
            first = &records[i];
        }
    }
}

static void touch_sparsely(long mib)
{
    char *start = mmap(NULL, (size_t)mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        exit(2);
    for (long i = 0; i < mib; i++)
        start[i * MIB] = (char)(i | 1);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    fill_heap(atol(argv[1]));
    threads = atol(argv[2]);
    victim = threads / 2;
    if (atol(argv[4]))
        touch_sparsely(atol(argv[4]));
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (size_t)atol(argv[3]) * 1024);
    pthread_barrier_init(&all_started, NULL, (unsigned)threads);
    pthread_t last;
    for (long i = 0; i < threads; i++) {
        if (pthread_create(&last, &attributes, worker, (void *)i)) {
            perror("pthread_create");
            return 2;
        }
    }
    return pthread_join(last, NULL);
}
