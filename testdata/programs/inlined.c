/* Dies by reading through a small invalid pointer, three inlined calls deep in an optimized function.
 *
 * The story: SIGSEGV at 0x18 in weigh <- weigh_all <- score, of which the first two are inlined into score;
 * then rank <- main, and rank has choose inlined, which is not part of this chain. The same program is built in
 * many ways (by clang, linked statically, stripped, with its debug information in another file, ...). */
#include <stdio.h>
#include <stdlib.h>

struct edge {
    struct edge *next;
    int weight;
    int factor;
};

static inline int weigh(const struct edge *edge)
{
    return edge->weight * edge->factor;
}

static inline int weigh_all(const struct edge *first, int limit)
{
    int total = 0;
    for (const struct edge *edge = first; limit-- > 0; edge = edge->next)
        total += weigh(edge);
    return total;
}

__attribute__((noinline)) int score(const struct edge *first, int depth)
{
    if (depth == 0)
        return weigh_all(first, 5) + 1;
    int below = score(first, depth - 1);
    return below % 7 + depth;
}

static inline int choose(const char *text)
{
    int value = atoi(text);
    return value ? value : 2;
}

__attribute__((noinline)) int rank(int argc, char **argv)
{
    int depth = choose(argc > 1 ? argv[1] : "0");
    struct edge *list = (struct edge *)16;
    for (int i = 0; i < 3; i++) {
        struct edge *edge = malloc(sizeof *edge);
        edge->next = list;
        edge->weight = i;
        edge->factor = 2;
        list = edge;
    }
    int result = score(list, depth);
    printf("%d\n", result);
    return result;
}

int main(int argc, char **argv)
{
    int result = rank(argc, argv);
    return result & 1;
}
