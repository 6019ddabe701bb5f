#pragma once
// What a changed configuration means for an agent that runs: key by key, which changes are applied to it and
// which have to wait for its next start. Pure.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/configuration.h"

namespace fairlead::config {

/// The keys, beside all of `checks`, that a running agent applies, in the order of the documentation. Of
/// anything else it says that it takes effect at the next start.
std::span<const std::string_view> liveKeys();

struct Change {
    std::string path;  ///< "vrrp.priority", "checks[lb].weight", "checks[lb]" of a check that came or went
    std::string before;
    std::string after;  ///< as in the file, lists with commas; "(hidden)": a secret
    bool operator==(const Change&) const = default;
};

struct Changes {
    /// What the agent runs by from now on: the running configuration with the applied changes in it.
    Configuration next;
    std::vector<Change> applied;
    std::vector<Change> waiting;  ///< for the next start
    std::string whyAllWait;       ///< why even keys that are live wait this time; empty: they don't

    /// Whether something under one of these paths ("vrrp.", "checks") was applied.
    [[nodiscard]] bool touches(std::string_view prefix) const;
};

/// From what runs to what is wanted, both of them valid and derived.
///
/// Keys that belong together change together: while what tells one election from another (its interface,
/// version, virtual router ID, transport, kind of authentication, the families of the VIPs) waits for the
/// next start, so does the rest of `vip` and `vrrp`; while the balancer's port does, so do the checks, whose
/// default is on it. In the kernel's data paths the VIPs and the backends' port wait, being part of the
/// rules. And if the applied changes would not make a valid configuration without those that wait, all of
/// them wait.
Changes changes(const Configuration& running, Configuration wanted);

}  // namespace fairlead::config
