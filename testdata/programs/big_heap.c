/* Dies with 48 MiB of numbers on its heap, next to nothing of which anybody needs who asks why.
 *
 * The story: SIGSEGV at address 0x10, in sum_of <- sum_of <- sum_of <- tally <- main. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBERS (12u << 20)

struct list {
    uint32_t *numbers;
    size_t count;
    struct list *next;
};

static uint32_t sum_of(const struct list *list)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < list->count; i++)
        sum += list->numbers[i];
    return sum + sum_of(list->next);
}

static uint32_t tally(const struct list *list)
{
    return sum_of(list) / 2;
}

int main(void)
{
    /* The second list has no numbers, and where it ends is damaged. */
    struct list second = {NULL, 0, (struct list *)8};
    struct list first = {malloc(NUMBERS * sizeof(uint32_t)), NUMBERS, &second};
    uint32_t state = 1;
    for (size_t i = 0; i < first.count; i++) {
        state = state * 1664525 + 1013904223;
        first.numbers[i] = state >> 8;
    }
    printf("%u\n", tally(&first));
    return 0;
}
