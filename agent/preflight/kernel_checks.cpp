#include <linux/capability.h>

#include "agent/net/system_error.h"
#include "agent/preflight/checks.h"
#include "lb/kernel/conntrack.h"
#include "lb/kernel/kernel_path.h"

namespace fairlead::preflight {
namespace {

/// What makes a module of nftables available, and what does without.
constexpr const char* kModules =
    "modprobe what it lacks, and name it in /etc/modules-load.d; on a kernel without it "
    "loadBalancer.dataPath: proxy";

Finding refusal(const std::string& path, const std::string& problem, bool automatic) {
    return {.severity = automatic ? Severity::Note : Severity::Error,
            .id = "kernel",
            .what = "this host can't do dataPath: " + path + ": " + problem,
            .why = automatic ? "dataPath: auto takes proxy in place of nat" : "the agent won't start",
            .fix = kModules};
}

}  // namespace

void checkKernel(const config::Configuration& configuration, const lb::KernelOptions& options,
                 Findings& findings) {
    const bool automatic = configuration.dataPath == config::DataPath::Auto;
    // Without the right nothing can be tried, which is a finding of its own.
    if (configuration.dataPath == config::DataPath::Proxy || !net::hasCapability(CAP_NET_ADMIN)) return;
    const bool dsr = configuration.dataPath == config::DataPath::Dsr;
    const std::string problem = dsr ? lb::dsrProblem(options) : lb::natProblem(options);
    if (!problem.empty()) {
        findings.push_back(refusal(dsr ? "dsr" : "nat", problem, automatic));
    } else if (const std::string conntrack = lb::conntrackProblem(); !conntrack.empty()) {
        findings.push_back({.severity = Severity::Warning,
                            .id = "kernel",
                            .what = "connections can't be listed: " + conntrack,
                            .why =
                                "connections of a backend that goes down are not reset, but hang until the "
                                "client gives up",
                            .fix = "modprobe nf_conntrack_netlink"});
    }
}

}  // namespace fairlead::preflight
