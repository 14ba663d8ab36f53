// Dies in a lambda that is handed through templates, with everything inlined that can be.
//
// The story: SIGSEGV in the lambda's operator() <- grid::apply <- grid::Table<int>::sum <- grid::total <- main.
// Templates and the lambda are inlined into grid::total.
#include <cstddef>

namespace grid {

template <typename Function>
int apply(Function function, std::size_t count)
{
    int sum = 0;
    for (std::size_t i = 0; i < count; i++)
        sum += function(i);
    return sum;
}

template <typename Cell>
struct Table {
    const Cell *cells;

    int sum(std::size_t count) const
    {
        auto cell = [this](std::size_t i) { return cells[i] * 2; };
        return apply(cell, count);
    }
};

__attribute__((noinline)) int total(const Table<int> &table, std::size_t count)
{
    int sum = table.sum(count);
    return sum + 1;
}

} // namespace grid

int main(int argc, char **)
{
    const int *nowhere = reinterpret_cast<const int *>(static_cast<std::size_t>(argc) * 24);
    grid::Table<int> table{nowhere};
    return grid::total(table, static_cast<std::size_t>(argc) + 4);
}
