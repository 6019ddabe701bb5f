#pragma once
// Where the election thread meets the others: orders go in without a lock, the status comes out under one
// that the election thread never waits for.

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "agent/net/descriptor.h"
#include "agent/net/election.h"

namespace fairlead::net {

class ElectionChannel {
  public:
    /// Throws std::runtime_error.
    ElectionChannel();
    ~ElectionChannel();
    ElectionChannel(const ElectionChannel&) = delete;
    ElectionChannel& operator=(const ElectionChannel&) = delete;

    // Any thread.
    void setPriority(PriorityUpdate update);
    void requestStop();
    [[nodiscard]] vrrp::RouterStatus status() const;

    // The election thread.
    /// Readable when there is an order.
    [[nodiscard]] int fd() const { return wakeUp_.get(); }
    void acknowledge() const;
    [[nodiscard]] bool stopRequested() const { return stop_.load(); }
    /// The latest one only: what came before it is no longer true.
    std::unique_ptr<const PriorityUpdate> takePriority();
    /// False if a reader is in the way: try again soon.
    bool tryPublish(const vrrp::RouterStatus& status);
    /// Waits for readers: for the last one.
    void publish(const vrrp::RouterStatus& status);

  private:
    void wakeUp() const;

    Descriptor wakeUp_;
    std::atomic<const PriorityUpdate*> priority_ = nullptr;
    std::atomic<bool> stop_ = false;
    mutable std::mutex statusMutex_;
    vrrp::RouterStatus status_;
};

}  // namespace fairlead::net
