#pragma once
// What one kernel data path has in nftables, as text: the interface between KernelPath, which keeps it in
// place, and the rules of each path. One thread.

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lb/kernel/options.h"
#include "lb/snapshot.h"

namespace fairlead::lb {

class Ruleset {
  public:
    Ruleset() = default;
    Ruleset(const Ruleset&) = delete;
    Ruleset& operator=(const Ruleset&) = delete;
    virtual ~Ruleset() = default;

    /// The families in which it has a table: "ip", "ip6", "netdev".
    [[nodiscard]] virtual std::vector<std::string> families() const = 0;

    /// Those of them whose tables have counters.
    [[nodiscard]] std::vector<std::string> counted() const {
        std::vector<std::string> some = families();
        std::erase(some, "netdev");
        return some;
    }

    /// The IP versions that this host has to pass packets on of.
    [[nodiscard]] virtual std::vector<Family> forwarded() const = 0;

    /// What has to be written again: nothing, contents(), or rules() as well.
    enum class Change : std::uint8_t { None, Contents, Rules };
    /// Looks again at what rules() and contents() depend on beside the snapshot. Called before contents() as
    /// well. Throws std::runtime_error.
    virtual Change lookAround(const Snapshot& /*snapshot*/) { return Change::None; }
    /// How often to look around.
    [[nodiscard]] virtual std::chrono::milliseconds pace() const { return std::chrono::seconds(10); }

    /// Has rules() and contents() follow another algorithm from now on, if they follow any.
    virtual void choose(Algorithm /*algorithm*/) {}

    /// Connections go on when the VIP moves to another host; otherwise they have to begin anew there.
    [[nodiscard]] virtual bool survivesVip() const { return false; }

    /// What is wrong with these backends as far as it can be seen from here, for the log and once only;
    /// empty: nothing.
    [[nodiscard]] virtual std::string complaint(const Snapshot& /*snapshot*/) const { return ""; }

    /// Everything but what depends on the backends; takes the place of rules of an earlier run, whose maps
    /// and counters stay.
    [[nodiscard]] virtual std::string rules() const = 0;

    /// What depends on the backends; `counters` names those that are there, by family.
    using Counters = std::map<std::string, std::vector<std::string>>;
    [[nodiscard]] virtual std::string contents(const Snapshot& snapshot, const Counters& counters) const = 0;
};

}  // namespace fairlead::lb
