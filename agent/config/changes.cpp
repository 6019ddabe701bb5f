#include "agent/config/changes.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "agent/config/cross_checks.h"
#include "agent/config/keys.h"

namespace fairlead::config {
namespace {

constexpr std::array<std::string_view, 43> kLive{
    "vip.addresses",
    "vip.probe.interval",
    "vip.probe.timeout",
    "vrrp.priority",
    "vrrp.advertInterval",
    "vrrp.preempt",
    "vrrp.preemptDelay",
    "vrrp.authentication.keyFile",
    "vrrp.authentication.password",
    "vrrp.checksum",
    "vrrp.peers",
    "loadBalancer.algorithm",
    "loadBalancer.preferLocal",
    "loadBalancer.slowStart",
    "loadBalancer.rebalance.rate",
    "loadBalancer.rebalance.idle",
    "loadBalancer.rebalance.tolerance",
    "loadBalancer.connectTimeout",
    "loadBalancer.idleTimeout",
    "loadBalancer.maxConnections",
    "loadBalancer.accessLog",
    "loadBalancer.healthCheck.type",
    "loadBalancer.healthCheck.path",
    "loadBalancer.healthCheck.expectStatus",
    "loadBalancer.healthCheck.interval",
    "loadBalancer.healthCheck.timeout",
    "loadBalancer.healthCheck.rise",
    "loadBalancer.healthCheck.fall",
    "loadBalancer.healthCheck.caFile",
    "loadBalancer.healthCheck.serverName",
    "loadBalancer.healthCheck.clientCertFile",
    "loadBalancer.healthCheck.clientKeyFile",
    "backends.port",
    "backends.static",
    "backends.kubernetes.kubeconfig",
    "backends.kubernetes.server",
    "backends.kubernetes.source",
    "backends.kubernetes.nodeSelector",
    "backends.kubernetes.addressFamily",
    "backends.kubernetes.apiServerManifest",
    "backends.cacheFile",
    "logging.format",
    "logging.level",
};

/// What tells one election from another.
constexpr std::array<std::string_view, 5> kElection{"vip.interface", "vrrp.version", "vrrp.virtualRouterID",
                                                    "vrrp.transport", "vrrp.authentication.type"};
/// Where the balancer can be reached.
constexpr std::array<std::string_view, 2> kBalancer{"loadBalancer.dataPath", "loadBalancer.bind"};
/// What the kernel's rules are made of once.
constexpr std::array<std::string_view, 2> kRules{"vip.addresses", "backends.port"};

bool among(std::span<const std::string_view> list, std::string_view path) {
    return std::ranges::find(list, path) != list.end();
}

std::string shown(const Texts& texts, bool secret) {
    if (secret) return "(hidden)";
    std::string text;
    for (const std::string& each : texts)
        text += (text.empty() ? "" : ",") + each;
    return text.empty() ? "none" : text;
}

/// IPv4, IPv6 or both, in the order in which they are named.
std::vector<bool> families(const Configuration& configuration) {
    std::vector<bool> order;
    for (const auto& address : configuration.vip.addresses) {
        if (std::ranges::find(order, address.is_v6()) == order.end()) order.push_back(address.is_v6());
    }
    return order;
}

/// "port=16443 interval=2s …"
std::string summary(const CheckDraft& check) {
    std::string text;
    for (const CheckKey& key : checkKeys()) {
        const Texts texts = key.get(check);
        if (key.path != "name" && !texts.empty())
            text += (text.empty() ? "" : " ") + std::string(key.path) + "=" + shown(texts, false);
    }
    return text;
}

void compareChecks(const std::vector<checks::CheckOptions>& before,
                   const std::vector<checks::CheckOptions>& after, std::vector<Change>& found) {
    const auto named = [](const std::vector<checks::CheckOptions>& list, const std::string& name) {
        const auto at = std::ranges::find(list, name, &checks::CheckOptions::name);
        return at == list.end() ? std::optional<CheckDraft>() : CheckDraft(*at);
    };
    for (const checks::CheckOptions& check : before) {
        const std::string path = "checks[" + check.name + "]";
        const CheckDraft was(check);
        const auto is = named(after, check.name);
        if (!is) {
            found.push_back({.path = path, .before = summary(was), .after = "none"});
            continue;
        }
        for (const CheckKey& key : checkKeys()) {
            if (key.get(was) == key.get(*is)) continue;
            found.push_back({.path = path + "." + std::string(key.path),
                             .before = shown(key.get(was), false),
                             .after = shown(key.get(*is), false)});
        }
    }
    for (const checks::CheckOptions& check : after) {
        if (!named(before, check.name)) {
            found.push_back({.path = "checks[" + check.name + "]",
                             .before = "none",
                             .after = summary(CheckDraft(check))});
        }
    }
}

/// Gives the key in `target` the value that it has in `source`.
void copy(const Key& key, const Configuration& source, Configuration& target) {
    if (key.list()) key.clear(target);
    for (const std::string& text : key.get(source)) [[maybe_unused]]
        const auto refused = key.set(target, text);  // nothing: it was parsed from such a text
}

}  // namespace

std::span<const std::string_view> liveKeys() {
    return kLive;
}

bool Changes::touches(std::string_view prefix) const {
    return std::ranges::any_of(applied,
                               [&](const Change& change) { return change.path.starts_with(prefix); });
}

Changes changes(const Configuration& running, Configuration wanted) {
    // What was chosen at the start stays chosen.
    if (wanted.dataPath == DataPath::Auto) wanted.dataPath = running.dataPath;
    std::vector<const Key*> differing;
    for (const Key& key : keys()) {
        if (key.get(running) != key.get(wanted)) differing.push_back(&key);
    }
    const auto anyOf = [&](std::span<const std::string_view> list) {
        return std::ranges::any_of(differing, [&](const Key* key) { return among(list, key->path); });
    };
    const bool otherElection = anyOf(kElection) || families(running) != families(wanted);
    const bool otherBalancer = anyOf(kBalancer);

    Changes result{.next = wanted, .applied = {}, .waiting = {}, .whyAllWait = {}};
    for (const Key* key : differing) {
        const bool ofElection = key->path.starts_with("vip.") || key->path.starts_with("vrrp.");
        const bool live = among(kLive, key->path) && !(ofElection && otherElection) &&
                          !(running.inKernel() && among(kRules, key->path));
        if (!live) copy(*key, running, result.next);
        (live ? result.applied : result.waiting)
            .push_back({.path = std::string(key->path),
                        .before = shown(key->get(running), key->secret),
                        .after = shown(key->get(wanted), key->secret)});
    }
    compareChecks(running.checks, wanted.checks, otherBalancer ? result.waiting : result.applied);
    if (otherBalancer) result.next.checks = running.checks;

    std::vector<std::string> errors;
    std::vector<std::string> warnings;
    crossCheck(result.next, errors, warnings);
    if (!errors.empty()) {
        result.next = running;
        result.next.origins = wanted.origins;
        result.waiting.insert(result.waiting.begin(), result.applied.begin(), result.applied.end());
        result.applied.clear();
        result.whyAllWait = errors.front();
    }
    return result;
}

}  // namespace fairlead::config
