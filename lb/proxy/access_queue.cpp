#include "lb/proxy/access_queue.h"

#include <pthread.h>

#include <string>
#include <utility>

namespace fairlead::lb {

AccessQueue::AccessQueue(AccessSink writer, EventSink events, std::size_t capacity)
    : writer_(std::move(writer)), events_(std::move(events)), capacity_(capacity) {
    thread_ = std::thread(&AccessQueue::run, this);
}

AccessQueue::~AccessQueue() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    filled_.notify_one();
    thread_.join();
}

void AccessQueue::add(AccessRecord record) {
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        if (records_.size() >= capacity_) {
            dropped_.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        records_.push_back(std::move(record));
        wake = std::exchange(waiting_, false);
    }
    if (wake) filled_.notify_one();
}

void AccessQueue::run() {
    pthread_setname_np(pthread_self(), "access-log");
    std::vector<AccessRecord> taken;
    std::uint64_t told = 0;
    for (;;) {
        taken.clear();
        {
            std::unique_lock lock(mutex_);
            waiting_ = true;
            filled_.wait(lock, [this] { return !records_.empty() || stopping_; });
            waiting_ = false;
            if (records_.empty()) return;
            taken.swap(records_);
        }
        for (const AccessRecord& record : taken)
            writer_(record);
        const std::uint64_t dropped = this->dropped();
        if (dropped != told) {
            events_({.severity = Severity::Warning,
                     .message = "access log lines dropped",
                     .fields = {{"count", std::to_string(dropped - std::exchange(told, dropped))},
                                {"cause", "they came faster than they could be written"}}});
        }
    }
}

}  // namespace fairlead::lb
