//! The table of programs that die while a framework runs a test of theirs. They are apart from the others because it is
//! the test's name that their cores must tell, and because they need the frameworks' own files.

use super::programs::{Program, SIGABRT, SIGSEGV};

const fn tests(
    name: &'static str,
    build: &'static [&'static str],
    arguments: &'static [&'static str],
    signal: i32,
    chain: &'static [&'static str],
) -> Program {
    Program { name, build, executable: "exe", arguments, signal, chain }
}

/// Every such program.
pub const TEST_PROGRAMS: &[Program] = &[
    tests(
        "gtest_cart",
        &["g++ -g -O0 -o exe @gtest_cart.cpp -lgtest -lgtest_main -pthread"],
        &[],
        SIGSEGV,
        &["TestBody", "testing::TestInfo::Run", "main"],
    ),
    tests(
        "gtest_cart_optimized",
        &["g++ -g -O2 -o exe @gtest_cart.cpp -lgtest -lgtest_main -pthread"],
        &[],
        SIGSEGV,
        &["TestBody", "testing::TestInfo::Run", "main"],
    ),
    tests(
        "gtest_thread",
        &["g++ -g -O1 -o exe @gtest_thread.cpp -lgtest -lgtest_main -pthread"],
        &[],
        SIGSEGV,
        &["work"],
    ),
    tests(
        "catch2_cart",
        &["g++ -g -O0 -o exe @catch2_cart.cpp"],
        &[],
        SIGSEGV,
        &["Catch::Session::run", "main"],
    ),
    tests(
        "doctest_cart",
        &["g++ -g -O0 -o exe @doctest_cart.cpp"],
        &[],
        SIGSEGV,
        &["doctest::Context::run", "main"],
    ),
    tests(
        "boost_cart",
        &["g++ -g -O1 -o exe @boost_cart.cpp"],
        &["--catch_system_errors=no"],
        SIGSEGV,
        &["boost::unit_test::framework::run", "main"],
    ),
    tests(
        "rust_tests",
        &["rustc --edition 2024 --test -g -C debug-assertions=off -o exe @rust_tests.rs"],
        &[],
        SIGSEGV,
        &["rust_tests::tests::cart::an_empty_cart_costs_nothing"],
    ),
    tests(
        "go_tests",
        &["cp @cart_test.go cart_test.go", "go mod init example.com/shop/cart", "go test -c -o exe"],
        &[],
        SIGABRT,
        &["func1", "tRunner", "func1", "goexit"],
    ),
    tests(
        "pytest_cart",
        &["cp @test_cart.py test_cart.py", "cp @run_pytest.sh exe"],
        &[],
        SIGSEGV,
        &["_PyEval_EvalFrameDefault"],
    ),
];
