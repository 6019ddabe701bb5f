#pragma once
// A data path in the kernel: rules of nftables that carry connections without this process, which only keeps
// them right. Rules and connections outlive a killed agent; the next one adopts them. A thread of its own
// does what may block: it puts each published snapshot into the rules' maps, ends the connections of backends
// that have gone, and mends what somebody else has changed.

#include <memory>
#include <string>
#include <vector>

#include "lb/data_path.h"
#include "lb/event.h"
#include "lb/kernel/options.h"
#include "lb/kernel/ruleset.h"

namespace fairlead::lb {

class KernelPath final : public DataPath {
  public:
    KernelPath(KernelOptions options, std::unique_ptr<Ruleset> ruleset, EventSink sink);
    ~KernelPath() override;  ///< stop()
    KernelPath(const KernelPath&) = delete;
    KernelPath& operator=(const KernelPath&) = delete;

    /// Puts the rules in place before it returns.
    void start() override;
    [[nodiscard]] std::vector<Endpoint> servedBefore() const override;
    void publish(const SnapshotPtr& snapshot) override;
    void stop() override;
    /// Rules and connections are the successor's.
    void drain() override;
    /// The algorithm.
    void reconfigure(const ProxyOptions& options) override;
    void vipLost(const std::vector<boost::asio::ip::address>& vips) override;
    /// The rules are in place.
    [[nodiscard]] bool accepting() const override;
    /// Counters are as of half a second ago at most, unless the kernel is slow to answer.
    [[nodiscard]] ProxyStatistics statistics() const override;
    [[nodiscard]] std::vector<Endpoint> endpoints() const override;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The data path `nat`.
std::unique_ptr<KernelPath> makeNat(KernelOptions options, EventSink sink);

/// Why this kernel refuses the rules of `nat`, with the modules that it lacks, found by having it check them
/// under another name, which changes nothing; empty: it takes them.
std::string natProblem(KernelOptions options);

/// The data path `dsr`.
std::unique_ptr<KernelPath> makeDsr(KernelOptions options, EventSink sink);

/// As natProblem(); also where the interface is none for `dsr`.
std::string dsrProblem(KernelOptions options);

/// Removes what an agent may have left: its tables, and conntrack's entries of connections through them.
/// Returns what it removed, one line each. Throws std::runtime_error.
std::vector<std::string> removeKernelPath(const KernelOptions& options);

}  // namespace fairlead::lb
