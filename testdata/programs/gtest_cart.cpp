// Tests of GoogleTest, of which all but the first die of a null pointer; `--gtest_filter` says which are run. What the
// story must tell besides is the test's name, as GoogleTest prints it: in the first, the name has underscores, so that the
// class alone (`CartTest_An_empty_cart_costs_nothing_Test`) doesn't say where the suite's ends.
#include <gtest/gtest.h>

namespace shop {
namespace {

int *nowhere() { return nullptr; }

TEST(ArithmeticTest, Adds) { EXPECT_EQ(1 + 1, 2); }

class CartTest : public ::testing::Test {};

TEST_F(CartTest, An_empty_cart_costs_nothing) { *nowhere() = 1; }

class PriceTest : public ::testing::TestWithParam<int> {};

// Dies of the second of three parameters: records of others are in memory, and pointers to them on the stack.
TEST_P(PriceTest, Rounds) {
    if (GetParam() == 20)
        *nowhere() = 2;
}

INSTANTIATE_TEST_SUITE_P(Big, PriceTest, ::testing::Values(10, 20, 30));

template <class T> class BoxTest : public ::testing::Test {};

using BoxTypes = ::testing::Types<char, long>;
TYPED_TEST_SUITE(BoxTest, BoxTypes);

TYPED_TEST(BoxTest, Holds) {
    if (sizeof(TypeParam) == sizeof(long))
        *nowhere() = 3;
}

class OpenedTest : public ::testing::Test {
  protected:
    void SetUp() override { *nowhere() = 4; }
};

TEST_F(OpenedTest, IsNeverReached) {}

} // namespace
} // namespace shop
