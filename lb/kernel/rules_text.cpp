#include "lb/kernel/rules_text.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "lb/kernel/nudge.h"

namespace fairlead::lb::rules {
namespace {

constexpr const char* kKinds[] = {kOpened, kToBackend, kToClient};

// The priorities come just before those of the usual NAT chains, so that nobody's rule for all local
// addresses takes a service away; of a connection that is ours, other chains of type nat change nothing more.
// Answers are known by their source, which is a backend until the end of postrouting and input.
constexpr const char* kCommon = R"(  set services { type %address% . inet_service; }
  set backends { type %address% . inet_service; }
  # Those that get new connections, for an agent that adopts this table.
  set served { type %address% . inet_service; }
  map opened { type %address% . inet_service : counter; }
  map toBackend { type %address% . inet_service : counter; }
  map toClient { type %address% . inet_service : counter; }
  counter refused { }
  # What the agent sends to make idle clients notice (nudge.h) begins no connection.
  chain nudges {
    type filter hook output priority raw; policy accept;
    tcp urgptr %mark% tcp flags == ack notrack
  }
  chain leaving {
    counter name %ip% daddr . tcp dport map @opened
    oifname != "lo" masquerade
  }
  chain postrouting {
    type nat hook postrouting priority 90; policy accept;
    ct status dnat meta l4proto tcp ct original %ip% daddr . ct original proto-dst @services jump leaving
  }
  # The backend is this host.
  chain delivered {
    type nat hook input priority 90; policy accept;
    iifname != "lo" ct status dnat meta l4proto tcp ct original %ip% daddr . ct original proto-dst @services counter name %ip% daddr . tcp dport map @opened
  }
  chain traffic {
    ct direction original counter name %ip% daddr . tcp dport map @toBackend
    ct direction reply counter name %ip% saddr . tcp sport map @toClient
  }
  # Each packet is counted where it leaves a socket of this host or is forwarded, or else where it arrives.
  chain sent {
    type filter hook postrouting priority -150; policy accept;
    ct status dnat meta l4proto tcp ct original %ip% daddr . ct original proto-dst @services jump traffic
  }
  chain received {
    type filter hook input priority -150; policy accept;
    iifname != "lo" ct status dnat meta l4proto tcp ct original %ip% daddr . ct original proto-dst @services jump traffic
    # An answer that conntrack can't place would meet no socket, and the backend would be sent a reset for it.
    iifname != "lo" ct state invalid %ip% saddr . tcp sport @backends drop
    # Nobody was there to give the connection to.
    %ip% daddr . tcp dport @services counter name refused reject with tcp reset
  })";

std::string joined(const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) {
        if (!text.empty()) text += ", ";
        text += part;
    }
    return text;
}

}  // namespace

const char* word(Family family) {
    return family == Family::Ipv4 ? "ip" : "ip6";
}

const char* addressType(Family family) {
    return family == Family::Ipv4 ? "ipv4_addr" : "ipv6_addr";
}

bool isOf(Family family, const Endpoint& endpoint) {
    return endpoint.address.is_v6() == (family == Family::Ipv6);
}

std::vector<Endpoint> only(Family family, const std::vector<Endpoint>& endpoints) {
    std::vector<Endpoint> result;
    std::ranges::copy_if(endpoints, std::back_inserter(result),
                         [family](const Endpoint& endpoint) { return isOf(family, endpoint); });
    return result;
}

std::vector<Family> familiesOf(const KernelOptions& options) {
    std::vector<Family> families;
    for (const Family family : {Family::Ipv4, Family::Ipv6}) {
        if (!only(family, options.services).empty()) families.push_back(family);
    }
    return families;
}

std::string element(const Endpoint& endpoint) {
    return endpoint.address.to_string() + " . " + std::to_string(endpoint.port);
}

std::string counterName(const std::string& kind, const Endpoint& backend) {
    std::string address = backend.address.to_string();
    std::ranges::replace(address, ':', '_');
    return kind + "/" + address + "/" + std::to_string(backend.port);
}

std::vector<CounterOf> parseCounterName(const std::string& name) {
    const std::size_t first = name.find('/');
    const std::size_t last = name.rfind('/');
    if (first == std::string::npos || first == last) return {};
    std::string address = name.substr(first + 1, last - first - 1);
    const bool ipv6 = address.find('_') != std::string::npos;
    std::ranges::replace(address, '_', ':');
    const auto endpoint = parseEndpoint((ipv6 ? "[" + address + "]" : address) + ":" + name.substr(last + 1));
    if (!endpoint) return {};
    return {{.kind = name.substr(0, first), .backend = *endpoint}};
}

std::string addElements(const std::string& family, const std::string& table, const std::string& name,
                        const std::vector<std::string>& elements) {
    if (elements.empty()) return "";
    return "add element " + family + " " + table + " " + name + " { " + joined(elements) + " }\n";
}

std::string replaceElements(const std::string& family, const std::string& table, const std::string& kind,
                            const std::string& name, const std::vector<std::string>& elements) {
    return "flush " + kind + " " + family + " " + table + " " + name + "\n" +
           addElements(family, table, name, elements);
}

std::vector<std::string> turns(const std::vector<Endpoint>& backends) {
    std::vector<std::string> elements;
    for (std::size_t turn = 0; turn < kTurns && !backends.empty(); ++turn)
        elements.push_back(std::to_string(turn) + " : " + element(backends[turn % backends.size()]));
    return elements;
}

std::string filled(std::string text, const std::vector<std::pair<const char*, std::string>>& values) {
    for (const auto& [name, value] : values) {
        const std::string key = std::string("%") + name + "%";
        for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at))
            text.replace(at, key.size(), value);
    }
    return text;
}

std::string common(Family family) {
    return filled(
        kCommon,
        {{"ip", word(family)}, {"address", addressType(family)}, {"mark", std::to_string(kNudgeMark)}});
}

namespace {

/// Fills the counters' maps, adds the counters of these backends, and deletes those of `existing` that are
/// nobody's any more.
std::string counterContents(Family family, const std::string& table, const std::vector<Endpoint>& backends,
                            const std::vector<std::string>& existing) {
    const std::string where = std::string(word(family)) + " " + table + " ";
    std::set<std::string> kept{kRefused};
    std::string text;
    for (const char* kind : kKinds) {
        std::vector<std::string> elements;
        for (const Endpoint& backend : backends) {
            const std::string name = counterName(kind, backend);
            kept.insert(name);
            text += "add counter " + where + name + "\n";
            elements.push_back(element(backend) + " : \"" + name + "\"");
        }
        text += replaceElements(word(family), table, "map", kind, elements);
    }
    for (const std::string& name : existing) {
        if (!kept.contains(name)) text += "delete counter " + where + name + "\n";
    }
    return text;
}

}  // namespace

std::string commonContents(const KernelOptions& options, Family family, const Snapshot& snapshot,
                           const std::vector<std::string>& counters) {
    std::vector<std::string> services;
    for (const Endpoint& service : only(family, options.services))
        services.push_back(element(service));
    std::vector<Endpoint> backends;
    std::vector<std::string> elements;
    std::vector<std::string> served;
    for (const SnapshotEntry& entry : snapshot.entries) {
        if (!isOf(family, entry.backend.endpoint)) continue;
        backends.push_back(entry.backend.endpoint);
        elements.push_back(element(entry.backend.endpoint));
        if (entry.usable) served.push_back(elements.back());
    }
    return replaceElements(word(family), options.table, "set", "services", services) +
           replaceElements(word(family), options.table, "set", "backends", elements) +
           replaceElements(word(family), options.table, "set", "served", served) +
           counterContents(family, options.table, backends, counters);
}

}  // namespace fairlead::lb::rules
