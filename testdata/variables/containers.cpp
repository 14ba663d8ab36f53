// Dies with the containers of the C++ library as arguments and locals.
#include <array>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

struct Order {
    int number;
    std::string customer;
    std::vector<double> prices;
};

__attribute__((noinline)) static void die(volatile std::size_t *total) {
    *total += 1;
    abort();
}

__attribute__((noinline)) static std::size_t
take(const std::string &name, std::string_view view, std::vector<int> numbers, const std::map<std::string, int> &ages,
     std::optional<int> maybe, std::unique_ptr<Order> order) {
    std::string empty, long_text = "a text that does not fit into the object itself";
    std::vector<std::string> words = {"one", "two", "three"};
    std::vector<int> nothing;
    std::vector<int> many(30, 7);
    std::optional<std::string> absent, present = "here";
    std::shared_ptr<int> shared = std::make_shared<int>(17);
    std::unique_ptr<int> null;
    std::set<int> set = {3, 1, 2};
    std::unordered_map<int, int> hash = {{1, 10}};
    std::pair<int, std::string> pair = {5, "five"};
    std::tuple<int, double, std::string> tuple = {1, 2.5, "three"};
    std::array<int, 3> array = {7, 8, 9};
    std::deque<int> deque = {4, 5, 6};
    std::map<int, std::vector<int>> nested = {{1, {1, 2}}, {2, {}}};
    volatile std::size_t total = name.size() + view.size() + numbers.size() + ages.size() + maybe.value_or(0) +
                                 order->prices.size() + words.size() + nothing.size() + many.size();
    die(&total);
    return total + empty.size() + long_text.size() + absent.has_value() + present->size() + *shared + !null +
           set.size() + hash.size() + pair.first + std::get<0>(tuple) + array[0] + deque[0] + nested.size();
}

int main() {
    std::string name = "Ada";
    std::map<std::string, int> ages = {{"ada", 36}, {"alan", 41}};
    auto order = std::make_unique<Order>(Order{12, "Grace", {1.5, 2.25}});
    return static_cast<int>(take(name, "a view of it", {1, 2, 3}, ages, 5, std::move(order)));
}
