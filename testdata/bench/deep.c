/* Dies at the end of a recursion: deep FRAMES, or deep 0 for one without end.
 *
 * The story: SIGSEGV in spoil <- descend <- descend <- ... <- start on a thread whose stack is large enough; with 0 in
 * descend on the main thread, at the end of its stack: a frame of 32 bytes, so that 8 MiB hold 262,000. */
#include <pthread.h>
#include <stdlib.h>

static int spoil(volatile int *nothing)
{
    return *nothing;
}

static int descend(int left)
{
    if (left == 1)
        return spoil(NULL);
    return descend(left - 1) + 1;
}

static void *start(void *frames)
{
    return (void *)(long)descend((int)(long)frames);
}

int main(int argc, char **argv)
{
    long frames = argc > 1 ? atol(argv[1]) : 0;
    if (!frames)
        return descend(0);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (size_t)frames * 64 + (1 << 20));
    pthread_t thread;
    return pthread_create(&thread, &attributes, start, (void *)frames) || pthread_join(thread, NULL);
}
