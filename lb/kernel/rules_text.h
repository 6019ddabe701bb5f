#pragma once
// Pieces of nft(8) text that the rules of several data paths share. Pure.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "lb/kernel/options.h"
#include "lb/snapshot.h"

namespace fairlead::lb::rules {

/// "ip" or "ip6": a table's family and the name of its header.
const char* word(Family family);
/// "ipv4_addr" or "ipv6_addr".
const char* addressType(Family family);

bool isOf(Family family, const Endpoint& endpoint);
/// Those of one family.
std::vector<Endpoint> only(Family family, const std::vector<Endpoint>& endpoints);

/// The IP versions of the services.
std::vector<Family> familiesOf(const KernelOptions& options);

/// "10.10.1.83 . 6443", an element of a set of addresses and ports.
std::string element(const Endpoint& endpoint);

/// "KIND/10.10.1.83/6443", what a backend's counter is called; in IPv6 with '_' for ':'.
std::string counterName(const std::string& kind, const Endpoint& backend);
/// The reverse; nothing for names that counterName() doesn't make.
struct CounterOf {
    std::string kind;
    Endpoint backend;
};
std::vector<CounterOf> parseCounterName(const std::string& name);

/// "add element ip TABLE NAME { a, b }" as a line; nothing without elements.
std::string addElements(const std::string& family, const std::string& table, const std::string& name,
                        const std::vector<std::string>& elements);

/// The names of the counters that every backend has.
inline constexpr const char* kOpened = "opened";        ///< packets: connections
inline constexpr const char* kToBackend = "toBackend";  ///< bytes, headers included
inline constexpr const char* kToClient = "toClient";    ///< likewise
/// Counts connections that nobody was there for.
inline constexpr const char* kRefused = "refused";

/// Divisible by every number of backends up to 8, so that counting through a table of this size is an exact
/// round robin; of more backends one gets at most 1 % more than its share, up to 10.
inline constexpr std::size_t kTurns = 840;
/// "0 : 10.10.1.83 . 6443" and so on: the elements of such a table.
std::vector<std::string> turns(const std::vector<Endpoint>& backends);

/// Empties a set or map, as `kind` says, and fills it.
std::string replaceElements(const std::string& family, const std::string& table, const std::string& kind,
                            const std::string& name, const std::vector<std::string>& elements);

/// `text` with every NAME between percent signs replaced, in this order.
std::string filled(std::string text, const std::vector<std::pair<const char*, std::string>>& values);

/// What every table has inside: the sets `services`, `backends` and `served`, the counters, and the chains
/// that masquerade, count and refuse. The chains that choose a backend are each path's own.
std::string common(Family family);

/// The contents of those sets and counters. `counters` names those that are there now; nobody's are deleted.
std::string commonContents(const KernelOptions& options, Family family, const Snapshot& snapshot,
                           const std::vector<std::string>& counters);

}  // namespace fairlead::lb::rules
