/* Starts COUNT threads one after the other, each of which ends at once: for what following threads costs. */
#include <pthread.h>
#include <stdlib.h>

static void *end(void *unused) {
    return unused;
}

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 1;
    for (long i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, end, NULL) != 0 || pthread_join(thread, NULL) != 0) {
            return 1;
        }
    }
    return 0;
}
