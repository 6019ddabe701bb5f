#pragma once
// Between the workers, who must not wait, and whoever writes the access log, who may have to: a bounded queue
// with a thread of its own at the far end. When the writer can't keep up, records are dropped and counted.

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "lb/access.h"
#include "lb/event.h"

namespace fairlead::lb {

class AccessQueue {
  public:
    static constexpr std::size_t kCapacity = 8192;

    /// `events` is told of dropped records, once the writer has caught up with those before them.
    AccessQueue(AccessSink writer, EventSink events, std::size_t capacity = kCapacity);
    ~AccessQueue();  ///< what is in the queue is still written
    AccessQueue(const AccessQueue&) = delete;
    AccessQueue& operator=(const AccessQueue&) = delete;

    /// Any thread. Waits for nothing but another call to add().
    void add(AccessRecord record);

    /// Ever; any thread.
    [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

  private:
    void run();

    AccessSink writer_;
    EventSink events_;
    std::size_t capacity_;
    std::atomic<std::uint64_t> dropped_{0};
    std::mutex mutex_;
    std::condition_variable filled_;
    std::vector<AccessRecord> records_;
    bool waiting_ = false;  ///< the writer, for a record
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace fairlead::lb
