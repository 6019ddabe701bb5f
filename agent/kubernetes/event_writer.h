#pragma once
// Tells the cluster what happened to the VIP: Events on this host's Node, as `kubectl describe node` shows
// them. A comfort and nothing more: it has a thread of its own, nobody waits for it, what can't be told
// within ten minutes is dropped, and so is the oldest where more than kMostWaiting wait.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/kubernetes/client.h"
#include "agent/kubernetes/kubeconfig.h"

namespace fairlead::kubernetes {

struct NodeEvent {
    std::string node;     ///< the Node's name
    std::string reason;   ///< "VIPAcquired": one word for machines
    std::string message;  ///< one sentence; cut to what the API takes
    bool warning = false;
    std::chrono::system_clock::time_point when;
};

/// The Event as JSON, for POST to /api/v1/namespaces/default/events. Pure.
std::string eventBody(const NodeEvent& event);

/// An API server that works, and the identity that it accepts.
struct WorkingServer {
    ServerAddress server;
    Identity identity;
};

class EventWriter {
  public:
    static constexpr std::size_t kMostWaiting = 64;

    /// Called on the writer's thread; nothing as long as no server is known to work.
    using Source = std::function<std::optional<WorkingServer>()>;

    explicit EventWriter(Source source);
    ~EventWriter();  ///< stop(0)
    EventWriter(const EventWriter&) = delete;
    EventWriter& operator=(const EventWriter&) = delete;

    void start();
    /// Any thread; never waits.
    void write(NodeEvent event);
    /// What waits gets `grace` to be told; then everything is given up.
    void stop(std::chrono::milliseconds grace);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::kubernetes
