#pragma once
// Where the election thread meets the others: orders go in without a lock, the status comes out under one
// that the election thread never waits for.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

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
    void setPeers(PeersUpdate peers);
    void reconfigure(std::vector<vrrp::RouterOptions> routers);
    /// Waits for the election thread: milliseconds, a second at most. Nothing if it did not answer.
    std::optional<HandOverResult> handOver();
    void requestStop();
    void requestRelease();
    [[nodiscard]] std::vector<vrrp::RouterStatus> status() const;

    // The election thread.
    /// Readable when there is an order.
    [[nodiscard]] int fd() const { return wakeUp_.get(); }
    void acknowledge() const;
    [[nodiscard]] bool stopRequested() const { return stop_.load(); }
    /// To be looked at once stopRequested(): the VIPs stay.
    [[nodiscard]] bool releaseRequested() const { return release_.load(); }
    /// The latest one only: what came before it is no longer true.
    std::unique_ptr<const PriorityUpdate> takePriority();
    std::unique_ptr<const PeersUpdate> takePeers();
    std::unique_ptr<const std::vector<vrrp::RouterOptions>> takeOptions();
    [[nodiscard]] bool handOverRequested() const { return handOverRequested_.load(); }
    void answerHandOver(HandOverResult result);
    /// False if a reader is in the way: try again soon.
    bool tryPublish(const std::vector<vrrp::RouterStatus>& status);
    /// Waits for readers: for the last one.
    void publish(const std::vector<vrrp::RouterStatus>& status);

  private:
    void wakeUp() const;

    Descriptor wakeUp_;
    std::atomic<const PriorityUpdate*> priority_ = nullptr;
    std::atomic<const PeersUpdate*> peers_ = nullptr;
    std::atomic<const std::vector<vrrp::RouterOptions>*> options_ = nullptr;
    std::atomic<bool> stop_ = false;
    std::atomic<bool> release_ = false;
    mutable std::mutex statusMutex_;
    std::vector<vrrp::RouterStatus> status_;

    std::mutex handOverMutex_;  ///< one at a time
    std::atomic<bool> handOverRequested_ = false;
    std::mutex answerMutex_;
    std::condition_variable answered_;
    std::optional<HandOverResult> answer_;
};

}  // namespace fairlead::net
