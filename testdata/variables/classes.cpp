// Dies in a method, with references, base classes, templates and lambdas about.
#include <cstdlib>
#include <cstdint>

namespace shop {

enum class State : uint8_t { Open, Paid, Shipped };
enum Level { Low = 1, High = 2 };

struct Priced {
    virtual ~Priced() = default;
    virtual int price() const { return cents; }
    int cents = 250;
};

struct Named {
    const char *name = "lamp";
};

class Item : public Priced, public Named {
public:
    Item(int count, State state) : count(count), state(state) {}
    int price() const override { return cents * count; }
    int weigh(const Item &other, int &&extra, const char *const &label);

private:
    int count;
    State state;
    static int made;
    Level level = High;
    int Item::*field = nullptr;
};

int Item::made = 3;

template <typename T, int N> struct Row {
    T cells[N];
    T sum() const {
        T total{};
        for (const T &cell : cells) {
            total += cell;
        }
        if (total > 5) {
            abort();
        }
        return total;
    }
};

int Item::weigh(const Item &other, int &&extra, const char *const &label) {
    Row<long, 4> row = {{1, 2, 3, 4}};
    bool heavier = other.count > count;
    auto closure = [&](int more) {
        int all = more + extra;
        return static_cast<int>(row.sum()) + all;
    };
    int weight = closure(9);
    return weight + heavier + label[0];
}

struct Virtual : virtual Named {
    int own = 5;
};

} // namespace shop

using shop::Item;

__attribute__((noinline)) static int run(Item &first, const Item *second, char32_t sign, char16_t small) {
    shop::Virtual with_base;
    shop::State state = shop::State::Shipped;
    shop::Level level = shop::Low;
    int &alias = with_base.own;
    const char *label = "scale";
    int got = first.weigh(*second, alias + 1, label);
    return got + static_cast<int>(state) + level + static_cast<int>(sign) + small;
}

int main(int argc, char **argv) {
    Item first(argc, shop::State::Open);
    Item second(4, shop::State::Paid);
    return run(first, &second, U'\u00e9', u'z') + argv[0][0];
}
