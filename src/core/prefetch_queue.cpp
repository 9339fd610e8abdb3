#include "core/prefetch_queue.hpp"

#include <utility>

namespace modalconflict {

PrefetchQueue::PrefetchQueue(Action load, Action drop)
    : load_(std::move(load)), drop_(std::move(drop)), thread_([this] { work(); }) {}

PrefetchQueue::~PrefetchQueue() {
    clear();
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void PrefetchQueue::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || (requested_ && !ahead_ && !failure_); });
        if (stopping_) return;
        const auto item = *requested_;
        lock.unlock();
        std::exception_ptr failure;
        try {
            load_(item);
        } catch (...) {
            failure = std::current_exception();
        }
        lock.lock();
        if (failure) {
            failure_ = failure;
        } else {
            ahead_ = item;
        }
        changed_.notify_all();
    }
}

void PrefetchQueue::drop_held() {
    if (held_) drop_(*std::exchange(held_, std::nullopt));
}

void PrefetchQueue::settle(std::unique_lock<std::mutex>& lock) {
    if (requested_) changed_.wait(lock, [this] { return ahead_ || failure_; });
    if (ahead_) drop_(*ahead_);
    ahead_.reset();
    requested_.reset();
    failure_ = nullptr;
}

void PrefetchQueue::acquire(std::size_t item, std::optional<std::size_t> next) {
    drop_held();
    std::unique_lock lock(mutex_);
    if (requested_ != item) {
        settle(lock);
        requested_ = item;
        changed_.notify_all();
    }
    changed_.wait(lock, [this] { return ahead_ || failure_; });
    requested_.reset();
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    held_ = std::exchange(ahead_, std::nullopt);
    if (next && next != held_) {
        requested_ = next;
        changed_.notify_all();
    }
}

void PrefetchQueue::clear() {
    drop_held();
    std::unique_lock lock(mutex_);
    settle(lock);
}

}  // namespace modalconflict
