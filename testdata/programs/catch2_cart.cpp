// Tests of Catch2, of which all but the first die of a null pointer; an argument says which are run. Catch2 takes the
// signal, reports it, and raises it again: the test is beneath a handler's frame. Its function has a number for a name.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

static int *nowhere() { return nullptr; }

TEST_CASE("one and one are two", "[plain]") { REQUIRE(1 + 1 == 2); }

TEST_CASE("an empty cart, as such, costs nothing", "[cart]") {
    SECTION("not even a cent") { *nowhere() = 1; }
}

struct Cart {
    int items = 0;
};

TEST_CASE_METHOD(Cart, "a cart holds items", "[fixture]") { *nowhere() = items; }

// The first type is fine.
TEMPLATE_TEST_CASE("boxes hold", "[types]", char, long) {
    if (sizeof(TestType) == sizeof(long))
        *nowhere() = 2;
}
