// A test of GoogleTest starts a thread, which dies of a null pointer: the test is on another stack than the crash.
#include <gtest/gtest.h>
#include <thread>

static void work(int *place) { *place = 1; }

TEST(WorkerTest, Works) {
    std::thread worker(work, nullptr);
    worker.join();
}
