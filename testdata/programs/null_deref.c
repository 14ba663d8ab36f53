/* Dies by reading a member of a structure through a NULL pointer.
 *
 * The story: SIGSEGV at address 0x4 (the member's offset), in quantity_of <- price_of <- main. */
#include <stddef.h>
#include <stdio.h>

struct item {
    int price;
    int quantity;
};

static int quantity_of(const struct item *item)
{
    return item->quantity;
}

static int price_of(const struct item *item, int discount)
{
    int quantity = quantity_of(item);
    return quantity * 3 - discount;
}

int main(void)
{
    struct item *nothing = NULL;
    printf("%d\n", price_of(nothing, 2));
    return 0;
}
