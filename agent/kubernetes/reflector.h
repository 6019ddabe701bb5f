#pragma once
// Keeps the list of API servers, from the Nodes of the control plane or from the EndpointSlices of
// default/kubernetes: LIST, then WATCH, for ever, on a thread of its own. It tries the
// kubeconfigs in order, each at the local API server, then at the others; session.h is what one of them is
// asked, client.h the edge over cpprestsdk. What it decides with is pure (kubeconfig.h, watch_decoder.h,
// member_store.h, backoff.h, change_log.h).
//
// The files of the kubeconfigs are watched (file_watch.h): what is made, renewed or removed counts at once.
// While one that stands behind others in the list is in use, those before it are tried again whenever a watch
// ends, as every one does within ten minutes: they may have been given their rights.
//
// It only ever improves the backend list: nothing here is fatal. A missing or refused kubeconfig, a 403, a
// cut stream, an API server that isn't there yet: each is said once per change of cause, and retried with
// jittered back-off.

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/kubernetes/event_writer.h"
#include "agent/kubernetes/source.h"
#include "lb/backend.h"

namespace fairlead::kubernetes {

struct ReflectorOptions {
    std::vector<std::string> kubeconfigs;  ///< files, tried in order
    std::string server;  ///< URL; empty: 127.0.0.1:port, then `otherServers`, each verified as `kubernetes`
    Source source = Source::Nodes;
    std::string nodeSelector;   ///< label selector, as kubectl's -l takes it; for Nodes
    bool ipv6 = false;          ///< of which family the backends' addresses are
    std::uint16_t port = 6443;  ///< of every API server; of a backend where the source doesn't say
    /// A watch without a byte for so long is dead; bookmarks come about once a minute.
    std::chrono::milliseconds watchdog{90'000};
    std::chrono::milliseconds patience{10'000};  ///< for an answer to begin, the connection included
    /// The kubeconfigs are looked at so often even if nothing tells that they have changed.
    std::chrono::milliseconds lookInterval{5'000};
    std::vector<boost::asio::ip::address> vips;  ///< never taken for a Node's address, never dialled
};

struct ReflectorStatus {
    bool watchUp = false;    ///< a watch stream is open and its list is complete
    std::string server;      ///< in use, or last tried
    std::string kubeconfig;  ///< identity in use, or last tried
    std::string lastError;   ///< empty while all is well
    std::string notice;      ///< what will go wrong if nobody does anything; else empty
    std::chrono::steady_clock::time_point lastContact;  ///< last byte from the API server; epoch: never
    Source source = Source::Nodes;
    std::uint64_t nodes = 0;  ///< hosts that the source tells of: matching Nodes, or endpoints of the slices
    std::map<std::string, std::uint64_t>
        events;  ///< watch events by type: ADDED, MODIFIED, DELETED, BOOKMARK, ERROR
    std::uint64_t relists = 0;
};

class Reflector {
  public:
    /// Called on the reflector's thread with the complete new list whenever it changes; never with an empty
    /// one.
    using OnMembers = std::function<void(std::vector<lb::Backend>)>;
    /// API servers to try after the local one; called on the reflector's thread, must be thread-safe.
    using OtherServers = std::function<std::vector<lb::Endpoint>()>;

    Reflector(ReflectorOptions options, OnMembers onMembers, OtherServers otherServers);
    ~Reflector();  ///< stop()
    Reflector(const Reflector&) = delete;
    Reflector& operator=(const Reflector&) = delete;

    void start();
    /// Any thread.
    [[nodiscard]] ReflectorStatus status() const;
    /// The server and the identity that worked last; nothing before the first. Any thread.
    [[nodiscard]] std::optional<WorkingServer> working() const;
    /// Cancels what is under way and joins within a second.
    void stop();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::kubernetes
