#pragma once
// Hosts on a link in virtual time. The world moves from event to event, skipping none; after each it asks the
// invariants. What happens to it is drawn by Fate (fate.h).

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/host.h"
#include "tests/simulation/invariants.h"
#include "tests/simulation/network.h"
#include "tests/simulation/trace.h"

namespace fairlead::simulation {

class World final : private Surroundings {
  public:
    struct Settings {
        std::vector<Host::Settings> hosts;
        Bounds bounds;
        bool junk = false;        ///< somebody sends what must be discarded
        bool acquainted = false;  ///< peers know each other, so that a hand-over names a successor
        bool trace = false;
    };

    World(const Settings& settings, std::uint64_t seed);

    /// Until `end`, or until something is violated.
    void run(Instant end);

    [[nodiscard]] const std::optional<Violation>& violation() const { return violation_; }
    [[nodiscard]] const Trace& trace() const { return trace_; }
    [[nodiscard]] Instant now() const { return now_; }
    [[nodiscard]] std::uint64_t events() const { return events_; }
    [[nodiscard]] const Settings& settings() const { return settings_; }
    [[nodiscard]] const Invariants& invariants() const { return invariants_; }
    [[nodiscard]] std::size_t group(std::size_t host) const { return network_.group(host); }
    [[nodiscard]] const Host& host(std::size_t index) const { return *hosts_[index]; }
    [[nodiscard]] std::size_t size() const { return hosts_.size(); }

    // What may happen, each a disturbance of the host's group
    void boot(std::size_t host);
    void kill(std::size_t host);
    void stop(std::size_t host);
    void freeze(std::size_t host, bool deaf, Instant length);
    void setPriority(std::size_t host, std::uint8_t priority, bool fault);
    void setLink(std::size_t host, bool up);
    void setPrimary(std::size_t host, const boost::asio::ip::address& primary);
    void reconfigure(std::size_t host, const vrrp::RouterOptions& options);
    void handOver(std::size_t host);
    void stepWallClock(std::size_t host, vrrp::Duration by);
    void drift(std::size_t host, int ppm);
    void cut(std::size_t from, std::size_t to);
    void mend(std::size_t from, std::size_t to);
    void noise(std::size_t group, const Noise& noise);
    void partition(const std::vector<std::size_t>& groups);
    void calm();

  private:
    struct Event {
        enum class Kind : std::uint8_t { Wake, Arrival, Named, Announcement, Resume, Junk };
        Instant at{0};
        std::uint64_t order = 0;  ///< of making: decides between simultaneous ones
        Kind kind = Kind::Wake;
        std::uint8_t host = 0;
        std::uint8_t other = 0;
        std::uint32_t packet = 0;

        bool operator>(const Event& event) const {
            return at != event.at ? at > event.at : order > event.order;
        }
    };

    void advertise(std::size_t from, std::uint8_t priority) override;
    void announce(std::size_t from) override;
    void nameSuccessor(std::size_t from, const boost::asio::ip::address& peer) override;
    void violated(const std::string& what) override;
    void note(std::size_t host, const char* what, int value, const std::string* detail) override;

    void push(Instant at, Event::Kind kind, std::size_t host, std::size_t other = 0,
              std::uint32_t packet = 0);
    std::uint32_t keep(const Packet& packet);
    void act(const Event& event);
    void deliver(const Event& event);
    void sendJunk();
    void wake(std::size_t host);
    void arm(std::size_t host);
    void armAt(std::size_t host, Instant at);
    [[nodiscard]] Instant latency();

    void resume(std::size_t host);

    void disturb(std::size_t group);
    void pause(std::size_t group);
    void disturbAll();
    /// Is the holder of a group that has settled.
    [[nodiscard]] bool holds(std::size_t host) const;
    template <class Step>
    void resign(std::size_t host, std::optional<std::uint8_t> priority, Step&& step);
    void introduce(std::size_t host);
    void observe();

    Settings settings_;
    std::vector<vrrp::RouterOptions> options_;
    Random random_;
    Network network_;
    Invariants invariants_;
    Trace trace_;
    std::vector<std::unique_ptr<Host>> hosts_;
    std::vector<Member> members_;
    std::vector<Instant> armed_;
    std::vector<std::uint8_t> beliefs_;
    std::vector<bool> bystander_;  ///< frozen in a steady group that has been steady since
    std::vector<Event> heap_;
    std::vector<Packet> packets_;
    std::vector<std::uint32_t> freePackets_;
    std::optional<Violation> violation_;
    Instant now_{0};
    std::uint64_t order_ = 0;
    std::uint64_t events_ = 0;
    bool disturbed_ = true;  ///< the invariants have not judged that yet
    bool stale_ = true;      ///< members_ may differ from what the invariants know
};

}  // namespace fairlead::simulation
