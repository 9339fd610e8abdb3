#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace modalconflict {

/// Numbered items, loaded one ahead of their use by a thread of its own: while the caller works on one, the next is
/// on its way. Never more than two are loaded. Used by one caller at a time.
class PrefetchQueue {
public:
    using Action = std::function<void(std::size_t item)>;

    /// @param load  Called on the queue's thread. What it throws is thrown by the acquire() of that item.
    /// @param drop  Called on the caller's thread, once for each item that was loaded; must not throw.
    PrefetchQueue(Action load, Action drop);

    /// Waits for a load under way, then drops what is loaded.
    ~PrefetchQueue();
    PrefetchQueue(const PrefetchQueue&) = delete;
    PrefetchQueue& operator=(const PrefetchQueue&) = delete;

    /// Drop the item in hand, wait until this one is loaded, and begin to load `next`. Another item than the one
    /// announced may be asked for: the one loaded in vain is dropped first.
    void acquire(std::size_t item, std::optional<std::size_t> next);

    /// Drop everything; a load under way is waited for.
    void clear();

private:
    void work();
    void drop_held();
    void settle(std::unique_lock<std::mutex>& lock);  // no load under way, nothing loaded ahead

    Action load_, drop_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<std::size_t> requested_;  // to be loaded, or being loaded
    std::optional<std::size_t> ahead_;      // loaded, not yet acquired
    std::optional<std::size_t> held_;       // the caller's alone
    std::exception_ptr failure_;            // of the item in requested_
    bool stopping_ = false;
    std::thread thread_;  // last: it uses all of the above
};

}  // namespace modalconflict
