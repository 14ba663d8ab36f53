// Dies with containers that something wrote over.
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

struct Node {
    Node *next;
    Node *self;
    int value;
};

static void put(void *object, std::size_t word, unsigned long value) {
    std::memcpy(static_cast<char *>(object) + word * sizeof value, &value, sizeof value);
}

static unsigned long get(const void *object, std::size_t word) {
    unsigned long value;
    std::memcpy(&value, static_cast<const char *>(object) + word * sizeof value, sizeof value);
    return value;
}

__attribute__((noinline)) static void inspect(const char *unended) {
    std::vector<int> backwards = {1, 2, 3}, torn = {1, 2, 3}, endless = {1, 2, 3};
    std::string wild = "wild", huge = "huge";
    std::map<int, int> cyclic = {{1, 1}, {2, 2}, {3, 3}}, counted = {{1, 1}};
    std::optional<int> odd = 4;
    std::unordered_map<int, int> loop = {{1, 1}, {2, 2}}, lost = {{1, 1}};
    Node node = {&node, &node, 3};
    put(&backwards, 1, get(&backwards, 0) - 64);
    put(&torn, 1, get(&torn, 0) + 7);
    put(&endless, 1, get(&endless, 0) + (1ul << 40));
    put(&wild, 0, 0x1234);
    put(&huge, 1, 1ul << 60);
    // The first node's right leads to itself; the container believes in more than there are.
    unsigned long first = get(&cyclic, 3);
    put(reinterpret_cast<void *>(first), 3, first);
    put(&counted, 5, 1ul << 50);
    put(&odd, 0, 0x700000004ul);
    put(&loop, 3, 1ul << 60);
    put(reinterpret_cast<void *>(get(&loop, 2)), 0, get(&loop, 2));
    put(&lost, 2, 0x10);
    (void)unended;
    (void)node;
    abort();
}

int main() {
    static char page[64];
    std::memset(page, 'x', sizeof page);
    inspect(page);
}
