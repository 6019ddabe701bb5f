#include "agent/data_path_choice.h"

#include <linux/capability.h>

#include <algorithm>

#include "agent/data_path.h"
#include "agent/net/system_error.h"
#include "lb/kernel/forwarding.h"
#include "lb/kernel/kernel_path.h"

namespace fairlead {
namespace {

/// What only the proxy does, of what is asked for; empty: nothing.
std::string needsProxy(const config::Configuration& c) {
    if (c.vip.addresses.empty()) return "there is no VIP";
    if (c.loadBalancer.algorithm == lb::Algorithm::LeastConnections) return "algorithm: leastConnections";
    if (c.loadBalancer.accessLog) return "accessLog";
    if (c.loadBalancer.idleTimeout.count() > 0) return "idleTimeout";
    if (c.loadBalancer.maxConnections > 0) return "maxConnections";
    if (c.loadBalancer.preferLocal) return "preferLocal";
    if (c.loadBalancer.proxyProtocol) return "proxyProtocol";
    if (c.loadBalancer.rebalance.rate > 0) return "rebalance";
    const auto& bind = c.loadBalancer.bind;
    if (std::ranges::any_of(bind, [](const lb::Endpoint& each) { return each.address.is_loopback(); }))
        return "bind names a loopback address";
    return "";
}

DataPathChoice proxy(std::string why, std::string fix) {
    return {.dataPath = config::DataPath::Proxy, .why = std::move(why), .fix = std::move(fix)};
}

}  // namespace

DataPathChoice chooseDataPath(const config::Configuration& configuration, const KernelFacts& facts) {
    if (const std::string need = needsProxy(configuration); !need.empty())
        return proxy("only the proxy can do what is asked for: " + need, "");
    if (!facts.netAdmin || !facts.netRaw) {
        return proxy(std::string(facts.netAdmin ? "CAP_NET_RAW" : "CAP_NET_ADMIN") + " is missing",
                     "in a pod take securityContext from `fairlead manifest pod`");
    }
    if (!facts.rules.empty()) {
        return proxy("the kernel refuses the rules: " + facts.rules,
                     "a kernel with nf_tables, nft_nat, nft_numgen and nf_conntrack");
    }
    for (const auto& vip : configuration.vip.addresses) {
        if (vip.is_v6() ? facts.forwards6 : facts.forwards4) continue;
        const std::string setting = lb::forwardingSetting(vip.is_v6() ? lb::Family::Ipv6 : lb::Family::Ipv4);
        return proxy("this host passes no packets on", "sysctl -w " + setting + "=1");
    }
    return {.dataPath = config::DataPath::Nat,
            .why = "this kernel can, and nothing is asked for that only the proxy does",
            .fix = ""};
}

KernelFacts readKernelFacts(const config::Configuration& configuration) {
    KernelFacts facts{.netAdmin = net::hasCapability(CAP_NET_ADMIN),
                      .netRaw = net::hasCapability(CAP_NET_RAW),
                      .rules = "",
                      .forwards4 = lb::forwards(lb::Family::Ipv4),
                      .forwards6 = lb::forwards(lb::Family::Ipv6)};
    if (facts.netAdmin) facts.rules = lb::natProblem(kernelOptions(configuration));
    return facts;
}

}  // namespace fairlead
