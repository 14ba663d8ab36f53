// Dies deep in calls of which an optimizing compiler keeps what it can: in registers, in callers, nowhere.
#include <stdio.h>
#include <stdlib.h>

struct request {
    int kind;
    const char *path;
    double weight;
};

static int seen;

__attribute__((noinline)) void crash(int depth, long key) {
    volatile int *nowhere = (volatile int *)(long)(depth & 0);
    seen += (int)key;
    *nowhere = depth;
}

static inline int score(const struct request *request, int bonus) {
    int base = request->kind * 3;
    int total = base + bonus;
    if (total > 10) {
        crash(total, request->kind);
    }
    return total;
}

__attribute__((noinline)) int handle(struct request *request, int first, int second, long third) {
    int spread = first * second;
    int result = score(request, spread);
    // Neither `second` nor `third` is needed after the call.
    seen += result;
    return result + first;
}

__attribute__((noinline)) int route(const char *line, int count, unsigned flags) {
    struct request request = {count + 1, line, 0.5};
    int total = 0;
    for (int index = 0; index < count; index++) {
        int part = handle(&request, index + 3, 4, 99L);
        total += part;
    }
    return total + (int)flags;
}

__attribute__((noinline)) int parse(int argc, const char *line, int n) {
    long twice = 2L * argc;
    int got = route(line, 2, 0x80u);
    seen += (int)twice;
    return got + n;
}

int main(int argc, char **argv) {
    int status = parse(argc, "GET /x", -1);
    printf("%d %s\n", status + seen, argv[0]);
    return status;
}
