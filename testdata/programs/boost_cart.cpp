// Tests of Boost.Test, of which the second dies of a null pointer. It is run so that Boost leaves signals alone: otherwise
// it takes them, and nothing dies.
#define BOOST_TEST_MODULE shop
#include <boost/test/included/unit_test.hpp>

static int *nowhere() { return nullptr; }

BOOST_AUTO_TEST_SUITE(cart)

BOOST_AUTO_TEST_CASE(one_and_one_are_two) { BOOST_TEST(1 + 1 == 2); }

BOOST_AUTO_TEST_CASE(an_empty_cart_costs_nothing) { *nowhere() = 1; }

BOOST_AUTO_TEST_SUITE_END()
