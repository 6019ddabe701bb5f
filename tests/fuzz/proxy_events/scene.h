#pragma once
// A proxy worker without a thread, its clients and its backends, in virtual time: every method is one event,
// and step() lets the worker meet what has happened since. All on one thread; only the access log has one of
// its own. finish() then brings everybody to an end and compares what each of them saw with what must hold.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "lb/access.h"
#include "lb/backend_pool.h"
#include "lb/proxy/access_queue.h"
#include "lb/proxy/shared.h"
#include "lb/proxy/worker.h"
#include "tests/fuzz/proxy_events/network.h"
#include "tests/fuzz/proxy_events/peer.h"

namespace fairlead::fuzz {

inline constexpr std::size_t kMostClients = 12;
/// The last one can't be reached.
inline constexpr std::size_t kBackends = 4;
inline constexpr std::uint16_t kFirstPort = 7001;
inline constexpr std::uint16_t kLastPort = kFirstPort + kBackends - 1;

/// Rounds in which nothing happened, before it counts as hanging. Behind the first few each one waits a
/// little, since some of TCP's timers run in real time: 200 ms for an acknowledgement at the most.
inline constexpr int kIdleRounds = 4000;
inline constexpr unsigned kPause = 300;  ///< µs

/// Of this process.
std::size_t openDescriptors();

class Scene {
  public:
    /// Within enterOwnNetwork(); `syns` captures kFirstPort to kLastPort. All backends that can be reached
    /// are members.
    Scene(const lb::ProxyOptions& options, LateSyns& syns);
    ~Scene();
    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;

    // Time and turns.
    void step();
    /// In which no more than `spare` descriptors can be opened.
    void stepStarved(std::size_t spare);
    void advance(std::chrono::milliseconds by) { now_ += by; }
    /// To the moment when a worker has to wake up; false: there is none.
    bool advanceToDue();

    // Clients. `toVip`: to the address that can be lost; `local`: from that address as well.
    void connect(bool toVip, bool local, bool smallWindow);
    [[nodiscard]] Peer* client(std::size_t index);  ///< null: there is none
    void resetClient(std::size_t index);

    // Backends. `backend` < kBackends; nothing happens at one that can't be reached.
    void accept(std::size_t backend, bool smallWindow);
    [[nodiscard]] Peer* served(std::size_t index);
    void listen(std::size_t backend);
    void refuse(std::size_t backend);
    void silence(std::size_t backend);  ///< SYNs get no answer
    void answer(std::size_t backend);   ///< nor did they by now
    void resetServed(std::size_t index);
    void closeServed(std::size_t index);

    // What the owner of the proxy does.
    void setMembers(unsigned mask);  ///< bit i: backend i is one
    void report(std::size_t backend, const lb::ProbeResult& result);
    void drainBackend(std::size_t backend, bool draining);
    void loseVip();
    void drain();       ///< the oldest that listens
    void handOver();    ///< a worker more, with the listeners of the newest; with new ones if nobody listens
    void stopOldest();  ///< in the middle of whatever it does
    void reconfigure(const lb::ProxyOptions& options);

    /// The end: gracefully (everybody reads what there is and says goodbye) or by stopping the workers.
    /// Aborts if anything isn't as it must be.
    void finish(bool gracefully);

  private:
    struct Told {
        lb::Endpoint backend;
        lb::Suspicion kind;
        lb::TimePoint when;
    };
    /// What one process has.
    struct Instance {
        lb::ProxyShared shared;
        std::vector<lb::AccessRecord> records;  ///< complete once `access` is gone, and not to be read before
        std::unique_ptr<lb::AccessQueue> access;
        std::unique_ptr<lb::Worker> worker;
        std::vector<int> listeners;  ///< the worker's
        std::vector<Told> suspicions;
        bool listening = true;
        std::optional<std::uint64_t> acceptedAtDrain;
        lb::ProxyStatistics figures;  ///< once it has ended
    };
    struct Backend {
        lb::Endpoint endpoint;
        lb::Descriptor listener;
        bool silent = false;
        bool sound = true;   ///< always answers, and was never the one to break a connection
        bool steady = true;  ///< always a member that takes new connections
    };
    struct Served {
        Peer peer;
        std::size_t backend;
    };
    struct Client {
        Peer peer;
        lb::Endpoint endpoint;
        bool toVip;
        std::optional<std::uint64_t> resetAt;  ///< in which turn
        const lb::AccessRecord* record = nullptr;
    };

    void begin(std::vector<lb::Descriptor> listeners);
    void publish();
    void end(Instance& instance);
    static lb::ProxyStatistics figuresOf(const Instance& instance);
    [[nodiscard]] bool anybodyListens() const;

    void turn();
    bool carryOn();
    [[nodiscard]] bool settled() const;
    [[nodiscard]] bool anythingOpen() const;
    void settle();
    void rest();

    // scene_checks.cpp
    void checkTurn() const;
    [[nodiscard]] bool resetsPassedOn() const;
    void checkAll();
    void matchRecords();
    [[nodiscard]] const Served* servedTo(const Client& client) const;
    [[nodiscard]] const Client* clientOf(const Served& served) const;
    void checkEnds(const Client& client) const;
    void checkEnds(const Served& served) const;
    void checkRecord(const Client& client) const;
    [[nodiscard]] bool mayEnd(const Client& client, lb::End end) const;
    void checkFigures(const Instance& instance) const;
    void checkSuspicions(const Instance& instance) const;

    std::size_t descriptorsBefore_;
    std::uint64_t turns_ = 0;
    lb::ProxyOptions options_;
    LateSyns& syns_;
    lb::TimePoint now_;
    lb::BackendPool pool_{1, 1};
    std::vector<std::unique_ptr<Instance>> instances_;  ///< the oldest first
    std::vector<std::unique_ptr<Instance>> past_;
    std::array<Backend, kBackends> backends_;
    std::vector<std::unique_ptr<Client>> clients_;
    std::vector<std::unique_ptr<Served>> served_;

    // What has happened in this scene, so that its consequences are as they should be.
    bool emptied_ = false;   ///< there were no backends
    bool shrunk_ = false;    ///< a backend left
    bool wentDown_ = false;  ///< a backend failed its probe
    bool vipLost_ = false;
    bool silenced_ = false;  ///< a backend didn't answer for a while
    bool limited_ = false;   ///< there was a low maxConnections
    bool starved_ = false;   ///< of descriptors
    bool stopped_ = false;   ///< with connections
    bool deserted_ = false;  ///< nobody listened for a while
    bool rebalances_ = false;
    std::chrono::milliseconds leastIdle_ = std::chrono::milliseconds::max();
};

}  // namespace fairlead::fuzz
