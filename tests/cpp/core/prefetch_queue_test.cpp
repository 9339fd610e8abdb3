#include "core/prefetch_queue.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace modalconflict {
namespace {

// Plain data behind the queue: what TSan would report if an item were used while it is loaded or dropped.
struct Store {
    std::vector<int> values = std::vector<int>(8, 0);
    std::atomic<int> loaded{0}, most{0}, loads{0};

    PrefetchQueue queue{[this](std::size_t item) {
                            values[item] = static_cast<int>(item) + 1;
                            ++loads;
                            const int now = ++loaded;
                            int seen = most.load();
                            while (seen < now && !most.compare_exchange_weak(seen, now)) {}
                        },
                        [this](std::size_t item) {
                            values[item] = 0;
                            --loaded;
                        }};
};

TEST(PrefetchQueue, GivesEachItemLoadedAndKeepsTwoAtMost) {
    Store store;
    for (int round = 0; round < 50; ++round) {
        for (std::size_t item = 0; item < store.values.size(); ++item) {
            const auto next = item + 1 < store.values.size() ? std::optional(item + 1) : std::nullopt;
            store.queue.acquire(item, next);
            ASSERT_EQ(store.values[item], static_cast<int>(item) + 1);
        }
    }
    store.queue.clear();
    EXPECT_EQ(store.loaded, 0);
    EXPECT_LE(store.most, 2);
    EXPECT_EQ(store.loads, 50 * 8);  // nothing twice
}

TEST(PrefetchQueue, LoadsTheNextWhileTheCallerWorks) {
    Store store;
    store.queue.acquire(0, 1);
    for (int i = 0; i < 2000 && store.loads < 2; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(store.loads, 2);
    EXPECT_EQ(store.values[0], 1);  // still in hand
}

TEST(PrefetchQueue, DropsWhatWasLoadedInVain) {
    Store store;
    store.queue.acquire(0, 1);
    store.queue.acquire(5, 6);
    EXPECT_EQ(store.values[5], 6);
    EXPECT_EQ(store.values[1], 0);
    store.queue.acquire(5, std::nullopt);  // dropped and loaded again
    EXPECT_EQ(store.values[5], 6);
    store.queue.clear();
    store.queue.clear();
    EXPECT_EQ(store.loaded, 0);
}

TEST(PrefetchQueue, AFailedLoadIsThrownWhereItsItemIsAskedFor) {
    std::set<std::size_t> loaded;
    bool broken = true;
    PrefetchQueue queue(
        [&](std::size_t item) {
            if (item == 1 && broken) throw std::runtime_error("the disk is gone");
            loaded.insert(item);
        },
        [&](std::size_t item) { EXPECT_EQ(loaded.erase(item), 1U); });
    queue.acquire(0, 1);
    EXPECT_THROW(queue.acquire(1, 2), std::runtime_error);
    queue.acquire(0, 1);
    queue.acquire(2, std::nullopt);  // the failure of an item that nobody wants is nobody's
    broken = false;
    queue.acquire(1, 2);
    queue.clear();
    EXPECT_TRUE(loaded.empty());
}

TEST(PrefetchQueue, EndsInTheMiddleOfALoad) {
    std::atomic<int> loaded{0};
    {
        PrefetchQueue queue(
            [&](std::size_t) {
                std::this_thread::sleep_for(std::chrono::milliseconds(5));
                ++loaded;
            },
            [&](std::size_t) { --loaded; });
        queue.acquire(0, 1);
    }
    EXPECT_EQ(loaded, 0);
}

}  // namespace
}  // namespace modalconflict
