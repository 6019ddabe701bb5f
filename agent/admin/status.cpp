#include "agent/admin/status.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>

#include "agent/version.h"
#include "agent/vrrp/text.h"

namespace fairlead::admin {
namespace {

using Json = nlohmann::ordered_json;
using TimePoint = std::chrono::steady_clock::time_point;

/// To the millisecond: more is noise.
double seconds(std::chrono::steady_clock::duration duration) {
    return std::round(std::chrono::duration<double>(duration).count() * 1000) / 1000;
}

/// An age in seconds; null for what never happened.
Json age(TimePoint then, TimePoint now) {
    if (then == TimePoint{}) return nullptr;
    // A moment that another thread took after `now` is no future.
    return std::max(0.0, seconds(now - then));
}

Json addressOrNull(const boost::asio::ip::address& address) {
    if (address.is_unspecified()) return nullptr;
    return address.to_string();
}

Json namesOf(const std::vector<boost::asio::ip::address>& addresses) {
    Json names = Json::array();
    for (const auto& address : addresses)
        names.push_back(address.to_string());
    return names;
}

Json routerJson(const StatusReport& report, const vrrp::RouterOptions& options,
                const vrrp::RouterStatus& router) {
    Json json{{"state", toString(router.state)},
              {"sinceSeconds", age(router.since, report.now)},
              {"cause", router.cause},
              {"virtualRouterID", router.virtualRouterId},
              {"family", vrrp::familyLabel(options.ipv6())},
              {"version", options.version},
              {"addresses", namesOf(options.addresses)},
              {"interface", router.interface},
              {"primaryAddress", addressOrNull(router.primaryAddress)},
              {"transport", options.transport == vrrp::Transport::Unicast ? "unicast" : "multicast"},
              {"unicastPeers", namesOf(router.unicastPeers)},
              {"priority", router.priority},
              {"basePriority", options.priority},
              {"priorityExplanation", report.priorityExplanation},
              {"preempt", options.preempt},
              {"advertIntervalSeconds", seconds(options.advertInterval)},
              {"advertsSent", router.advertsSent},
              {"peers", Json::array()},
              {"candidates", Json::array()},
              {"foreignHolders", Json::array()},
              {"rejected", Json::object()},
              {"tolerated", Json::object()},
              {"transitions", Json::array()},
              {"timerLateness",
               {{"timers", router.lateness.count},
                {"maxSeconds", std::chrono::duration<double>(router.lateness.max).count()},
                {"sumSeconds", std::chrono::duration<double>(router.lateness.sum).count()}}}};
    for (const vrrp::PeerStatus& peer : router.peers) {
        json["peers"].push_back({{"address", peer.address.to_string()},
                                 {"priority", peer.priority},
                                 {"advertIntervalSeconds", seconds(peer.advertInterval)},
                                 {"lastHeardSeconds", age(peer.lastHeard, report.now)},
                                 {"adverts", peer.adverts}});
    }
    for (const vrrp::CandidateStatus& candidate : router.candidates) {
        json["candidates"].push_back({{"address", candidate.address.to_string()},
                                      {"priority", candidate.priority},
                                      {"lastHeardSeconds", age(candidate.lastHeard, report.now)}});
    }
    for (const vrrp::ForeignHolder& holder : router.foreignHolders) {
        json["foreignHolders"].push_back({{"address", holder.address.to_string()},
                                          {"mac", vrrp::macText(holder.mac)},
                                          {"lastSeenSeconds", age(holder.lastSeen, report.now)},
                                          {"claims", holder.claims}});
    }
    for (const auto& [reason, count] : router.rejected)
        json["rejected"][reason] = count;
    for (const auto& [oddity, count] : router.tolerated)
        json["tolerated"][oddity] = count;
    for (const auto& [change, count] : router.transitions) {
        json["transitions"].push_back(
            {{"from", toString(change.first)}, {"to", toString(change.second)}, {"count", count}});
    }
    return json;
}

/// The first one: of a dual-stack pair the other does as it does.
Json firstRouterJson(const StatusReport& report) {
    if (report.routers.empty()) {
        vrrp::RouterStatus none;
        none.cause = "no VIP is configured: the balancer works alone";
        return routerJson(report, {}, none);
    }
    return routerJson(report, report.routerOptions.front(), report.routers.front());
}

Json routersJson(const StatusReport& report) {
    Json all = Json::array();
    for (std::size_t i = 0; i < report.routers.size(); ++i)
        all.push_back(routerJson(report, report.routerOptions[i], report.routers[i]));
    return all;
}

Json outageJson(const blackout::Outage& outage, TimePoint now) {
    return {{"seconds", seconds(outage.length())},
            {"endedSeconds", age(outage.ended, now)},
            {"failures", outage.failures},
            {"ownLink", outage.ownLink},
            {"cause", outage.cause}};
}

Json vipProbesJson(const StatusReport& report) {
    Json all = Json::array();
    for (const blackout::Status& probe : report.vipProbes) {
        Json json{{"target", lb::toString(probe.target)},
                  {"answers", nullptr},
                  {"sinceSeconds", age(probe.since, report.now)},
                  {"intervalSeconds", seconds(probe.interval)},
                  {"probes", probe.probes},
                  {"failures", probe.failures},
                  {"outages", probe.outageCount},
                  {"outageSeconds", seconds(probe.outageTime)},
                  {"currentOutage", nullptr},
                  {"lastOutages", Json::array()}};
        if (probe.answers != blackout::Answers::Unknown)
            json["answers"] = probe.answers == blackout::Answers::Yes;
        if (probe.current) {
            blackout::Outage current = *probe.current;
            current.ended = std::max(current.ended, report.now);  // it goes on
            json["currentOutage"] = outageJson(current, report.now);
            json["currentOutage"]["endedSeconds"] = nullptr;
        }
        for (const blackout::Outage& outage : probe.outages)
            json["lastOutages"].push_back(outageJson(outage, report.now));
        all.push_back(std::move(json));
    }
    return all;
}

Json checksJson(const StatusReport& report) {
    Json all = Json::array();
    for (const checks::CheckStatus& check : report.checks) {
        all.push_back({{"name", check.name},
                       {"up", check.up},
                       {"decided", check.decided},
                       {"weight", check.weight},
                       {"detail", check.detail}});
    }
    return all;
}

/// By who or what ended them; those that there were none of are left out.
Json endedJson(const std::array<std::uint64_t, lb::kEnds>& ended) {
    Json json = Json::object();
    for (std::size_t i = 0; i < ended.size(); ++i) {
        if (ended[i] > 0) json[lb::toString(static_cast<lb::End>(i))] = ended[i];
    }
    return json;
}

/// What the balancer counted for one backend, added to `json`.
void addCounters(Json& json, const lb::BackendStatistics& counted) {
    json["connections"] = counted.open;
    json["connectionsTotal"] = counted.total;
    json["bytesToBackend"] = counted.bytesToBackend;
    json["bytesToClient"] = counted.bytesToClient;
    json["connectFailures"] = counted.connectFailures;
    json["retries"] = counted.retries;
    json["ended"] = endedJson(counted.ended);
}

Json balancerJson(const StatusReport& report) {
    Json json{{"dataPath", report.dataPath},           {"listeners", Json::array()},
              {"backendSource", report.backendSource}, {"fallOpen", report.fallOpen},
              {"connections", report.balancer.open},   {"accepted", report.balancer.accepted},
              {"refused", report.balancer.refused},    {"retried", report.balancer.retried},
              {"reset", report.balancer.reset},        {"unserved", endedJson(report.balancer.unserved)}};
    for (const lb::Endpoint& listener : report.listeners)
        json["listeners"].push_back(lb::toString(listener));
    return json;
}

Json backendsJson(const StatusReport& report) {
    Json all = Json::array();
    for (const lb::BackendView& view : report.backends) {
        const lb::Endpoint& endpoint = view.backend.endpoint;
        Json json{{"endpoint", lb::toString(endpoint)},
                  {"name", view.backend.name},
                  {"health", toString(view.health)},
                  {"draining", view.draining},
                  {"sinceSeconds", age(view.since, report.now)},
                  {"detail", view.lastDetail},
                  {"probeSeconds", std::chrono::duration<double>(view.lastTook).count()}};
        const auto counted =
            std::ranges::find(report.balancer.backends, endpoint, &lb::BackendStatistics::endpoint);
        addCounters(json, counted == report.balancer.backends.end() ? lb::BackendStatistics{} : *counted);
        all.push_back(std::move(json));
    }
    return all;
}

/// Backends that are no members any more and still have connections.
Json leavingJson(const StatusReport& report) {
    Json all = Json::array();
    for (const lb::BackendStatistics& counted : report.balancer.backends) {
        const bool member = std::ranges::any_of(report.backends, [&](const lb::BackendView& view) {
            return view.backend.endpoint == counted.endpoint;
        });
        if (member) continue;
        Json json{{"endpoint", lb::toString(counted.endpoint)}};
        addCounters(json, counted);
        all.push_back(std::move(json));
    }
    return all;
}

Json kubernetesJson(const StatusReport& report) {
    if (!report.kubernetes) return nullptr;
    const kubernetes::ReflectorStatus& status = *report.kubernetes;
    Json json{{"watchUp", status.watchUp},
              {"server", status.server},
              {"kubeconfig", status.kubeconfig},
              {"source", status.source == kubernetes::Source::Nodes ? "nodes" : "endpointslices"},
              {"nodes", status.nodes},
              {"lastContactSeconds", age(status.lastContact, report.now)},
              {"lastError", status.lastError},
              {"relists", status.relists},
              {"events", Json::object()}};
    for (const auto& [type, count] : status.events)
        json["events"][type] = count;
    return json;
}

}  // namespace

std::string toJson(const StatusReport& report) {
    const Json json{{"nodeName", report.nodeName},
                    {"version", kVersion},
                    {"uptimeSeconds", age(report.started, report.now)},
                    {"router", firstRouterJson(report)},
                    {"routers", routersJson(report)},
                    {"vipProbes", vipProbesJson(report)},
                    {"checks", checksJson(report)},
                    {"balancer", balancerJson(report)},
                    {"backends", backendsJson(report)},
                    {"leavingBackends", leavingJson(report)},
                    {"kubernetes", kubernetesJson(report)},
                    {"warnings", report.warnings}};
    // Texts may come from the network: what isn't UTF-8 is replaced, never thrown on.
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace fairlead::admin
