// Tests of doctest, of which the second dies of a null pointer. doctest takes the signal, reports it, and raises it again.
// The test's function has a number for a name.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

static int *nowhere() { return nullptr; }

TEST_CASE("one and one are two") { CHECK(1 + 1 == 2); }

TEST_SUITE("cart") {
    TEST_CASE("an empty cart costs nothing") {
        SUBCASE("not even a cent") { *nowhere() = 1; }
    }
}
