#pragma once
// Keeps one data path's tables of nftables as they should be: written from the latest snapshot, following
// what changes on this host, mended when somebody else has changed them. Blocking. One thread, but for
// inPlace().

#include <atomic>
#include <chrono>
#include <expected>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lb/event.h"
#include "lb/kernel/nft_table.h"
#include "lb/kernel/options.h"
#include "lb/kernel/ruleset.h"
#include "lb/kernel/ruleset_watch.h"

namespace fairlead::lb {

class RulesKeeper {
  public:
    using Clock = std::chrono::steady_clock;

    /// All three outlive it. Nothing is done yet.
    RulesKeeper(const KernelOptions& options, Ruleset& ruleset, const EventSink& sink);

    /// Looks at the host. Throws std::runtime_error where it can't carry such rules.
    void prepare(const SnapshotPtr& snapshot);
    /// Adopts what an earlier run left, and puts the rules in place. Throws std::runtime_error.
    void begin();
    /// The backends that the adopted tables served.
    [[nodiscard]] const std::set<Endpoint>& servedBefore() const { return trusted_; }

    void put(const SnapshotPtr& snapshot);
    void choose(Algorithm algorithm);

    /// To be called when descriptor() is readable, and at nextLook(): does nothing before.
    void look();
    [[nodiscard]] int descriptor() const { return watch_->descriptor(); }
    [[nodiscard]] Clock::time_point nextLook() const { return lookAt_; }

    /// Any thread.
    [[nodiscard]] bool inPlace() const { return inPlace_; }
    /// From now on nobody looks after them: inPlace() is false.
    void retire() { inPlace_ = false; }

    /// Of the end: gives nobody new to a backend.
    void keepNewOnesOff();
    /// Removes the tables.
    void remove();

  private:
    /// `whole`: rules as well as contents.
    void rewrite(bool whole);
    std::expected<void, std::string> write(bool whole);
    void remember();
    void tellMended(const std::string& by) const;
    Ruleset::Change lookAround();
    void complain();
    void tell(Severity severity, std::string message,
              std::vector<std::pair<std::string, std::string>> fields) const;

    const KernelOptions& options_;
    Ruleset& ruleset_;
    const EventSink& sink_;
    std::unique_ptr<Nft> nft_;
    std::unique_ptr<RulesetWatch> watch_;
    SnapshotPtr current_;
    std::set<Endpoint> trusted_;
    bool adopted_ = false;
    std::map<std::string, std::string> fingerprints_;  ///< of the tables as they should be, by family
    std::string complaint_;                            ///< the last one told of
    std::string failure_;                              ///< likewise, of putting them in place
    std::string blindness_;                            ///< likewise, of looking around
    Clock::time_point lookAt_;
    Clock::time_point readBackAt_;
    std::atomic<bool> inPlace_{false};
};

}  // namespace fairlead::lb
