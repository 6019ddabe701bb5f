#include <stdexcept>
#include <utility>

#include "lb/kernel/dsr_rules.h"
#include "lb/kernel/kernel_path.h"
#include "lb/kernel/rules_text.h"
#include "lb/kernel/trial.h"

namespace fairlead::lb {
namespace {

/// Throws std::runtime_error.
Neighbours readLink(const std::string& interface) {
    Neighbours seen = readNeighbours(interface);
    if (seen.own.empty())
        throw std::runtime_error(interface + " has no MAC address, so dsr can't work on it");
    return seen;
}

class DsrRuleset final : public Ruleset {
  public:
    explicit DsrRuleset(const KernelOptions& options)
        : options_(options), families_(rules::familiesOf(options)) {}

    [[nodiscard]] std::vector<std::string> families() const override {
        std::vector<std::string> words{"netdev"};
        for (const Family family : families_)
            words.emplace_back(rules::word(family));
        return words;
    }

    /// Packets go to other hosts below IP.
    [[nodiscard]] std::vector<Family> forwarded() const override { return {}; }

    Change lookAround(const Snapshot& snapshot) override {
        const Neighbours seen = readLink(options_.interface);
        Neighbours now{.own = seen.own, .macs = {}, .ports = seen.ports};
        for (const SnapshotEntry& entry : snapshot.entries) {
            const auto& address = entry.backend.endpoint.address;
            // One that falls silent keeps its MAC: who is alive is for the health checks to say, and a bucket
            // must not move for a hole in the table of neighbours.
            for (const Neighbours& known : {seen, neighbours_}) {
                if (const auto found = known.macs.find(address); found != known.macs.end())
                    now.macs.insert(*found);
            }
        }
        const Neighbours before = std::exchange(neighbours_, now);
        if (before.ports != now.ports) return Change::Rules;
        return before == now ? Change::None : Change::Contents;
    }

    [[nodiscard]] std::chrono::milliseconds pace() const override { return std::chrono::seconds(1); }
    [[nodiscard]] bool survivesVip() const override { return true; }

    [[nodiscard]] std::string complaint(const Snapshot& snapshot) const override {
        std::string names;
        for (const Endpoint& backend : beyondReach(options_, snapshot, neighbours_))
            names += (names.empty() ? "" : ", ") + toString(backend);
        if (names.empty()) return "";
        return "dsr leaves out backends whose MAC on " + options_.interface +
               " isn't known (on another subnet? take dataPath: nat): " + names;
    }

    [[nodiscard]] std::string rules() const override {
        return dsrRules(options_, families_, neighbours_.ports);
    }

    [[nodiscard]] std::string contents(const Snapshot& snapshot, const Counters& counters) const override {
        return dsrBackends(options_, families_, snapshot, neighbours_, counters);
    }

  private:
    const KernelOptions options_;
    std::vector<Family> families_;
    Neighbours neighbours_;
};

}  // namespace

std::unique_ptr<KernelPath> makeDsr(KernelOptions options, EventSink sink) {
    auto ruleset = std::make_unique<DsrRuleset>(options);
    return std::make_unique<KernelPath>(std::move(options), std::move(ruleset), std::move(sink));
}

std::string dsrProblem(KernelOptions options) {
    options.table += "_trial";
    const Snapshot snapshot = trialSnapshot();
    Neighbours neighbours;
    try {
        neighbours.own = readLink(options.interface).own;
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    for (const SnapshotEntry& entry : snapshot.entries)
        neighbours.macs[entry.backend.endpoint.address] = "02:00:00:00:00:01";
    const std::vector<Family> families = rules::familiesOf(options);
    return refusal(dsrRules(options, families, {options.interface}) +
                       dsrBackends(options, families, snapshot, neighbours, {}),
                   dsrParts(options));
}

}  // namespace fairlead::lb
