// Dies with a variable of every kind that C has, in several frames.
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum colour { RED, GREEN, BLUE = 5 };
enum rights { READ = 1, WRITE = 2, EXECUTE = 4 };

struct point {
    int x, y;
};

struct packed {
    unsigned kind : 3;
    int delta : 5;
    bool on : 1;
    unsigned long rest : 40;
};

union number {
    int32_t whole;
    float part;
};

struct item {
    char name[16];
    struct point at;
    struct item *next;
    union number number;
    int (*compare)(const void *, const void *);
    struct {
        short a;
        struct {
            struct {
                int deep;
            } lower;
        } low;
    } inner;
};

typedef struct item *item_list;

static int visits = 7;
static __thread long mine = 42;
int table[4] = {1, 2, 3, 4};

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

__attribute__((noinline)) static void die(const char *why, int code, volatile int *where) {
    static int deaths;
    long local = mine + code;
    deaths++;
    *where = (int)local + why[0];
    abort();
}

__attribute__((noinline)) static int scalars(char letter, unsigned char byte, short little, unsigned whole,
                                             long long large, float single, double real, bool truth) {
    enum colour colour = BLUE, odd = (enum colour)9;
    enum rights rights = (enum rights)(READ | EXECUTE), none = (enum rights)0, unknown = (enum rights)9;
    __int128 huge = ((__int128)1 << 100) + large;
    long double wide = 0.1L * (long double)(letter != 0);
    wchar_t symbol = L'x';
    int sum = letter + byte + little;
    volatile int keep = (int)whole + (int)single + (int)real + truth + (int)odd + (int)rights + (int)none;
    die("scalars", sum, &keep);
    return (int)colour + (int)unknown + (int)huge + (int)wide + (int)symbol;
}

__attribute__((noinline)) static int aggregates(struct item *item, struct point point, item_list list) {
    struct packed bits = {5, -3, true, 123456789};
    union number number = {.part = 1.5f};
    int matrix[2][3] = {{1, 2, 3}, {4, 5, 6}};
    int zeros[40] = {0};
    struct point points[3] = {{1, 2}, {3, 4}, {5, 6}};
    const char *names[3] = {"one", "two", NULL};
    char text[32] = "some text";
    char escaped[8] = "a\n\"\\\001";
    uint8_t bytes[4] = {0, 1, 200, 255};
    wchar_t wide[6] = L"wide";
    struct item copy = *item;
    int ret;
    for (int turn = 0; turn < 2; turn++) {
        long inside = turn * 10L;
        if (turn == 1) {
            ret = scalars('a', 200, -5, 4000000000u, -1234567890123LL, 3.14f, 2.5, turn);
            return ret + (int)inside + (int)bits.kind + number.whole + matrix[1][1] + zeros[3] + points[1].x +
                   names[0][0] + text[0] + escaped[0] + bytes[0] + (int)wide[0] + copy.at.x + list->at.x + point.y;
        }
    }
    return 0;
}

__attribute__((noinline)) static int pointers(int count, char **words, void *nowhere) {
    int variable[count];
    for (int index = 0; index < count; index++) {
        variable[index] = index * index;
    }
    int *null = NULL, *wild = (int *)0xdead0000, *inside = &table[1], *own = &variable[0];
    const char *missing = (const char *)0x10, *empty = "", *long_text = words[1];
    int (*function)(const void *, const void *) = compare;
    struct item item = {"first", {10, -20}, NULL, {7}, compare, {3, {{4}}}};
    struct item second = {"second", {1, 2}, &item, {8}, NULL, {0, {{0}}}};
    int got = aggregates(&second, item.at, &item);
    return got + *own + *inside + (null != wild) + (missing != empty) + (int)strlen(long_text) +
           function(own, inside) + (nowhere != NULL) + visits;
}

int main(int argc, char **argv) {
    char *words[] = {
        "short",
        "a text that is much longer than what is shown of one: 0123456789 0123456789 0123456789 0123456789 "
        "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "dashes --------------------- end",
    };
    char *dashes = words[2];
    return pointers(5 + argc - 1, words, argv) + dashes[0];
}
