#include "agent/config/key_access.h"
#include "agent/config/key_sections.h"

namespace fairlead::config {
namespace {

using std::chrono::hours;

/// The longest interface name that Linux has (IFNAMSIZ without the NUL).
constexpr std::size_t kLongestInterfaceName = 15;

Parsed<std::string> parseInterfaceName(std::string_view text) {
    if (text.size() > kLongestInterfaceName || text.find_first_of(" /:") != std::string_view::npos)
        return std::unexpected(quoted(text) + " is not the name of an interface");
    return std::string(text);
}

}  // namespace

void addVipKeys(std::vector<Key>& table) {
    table.push_back({.path = "vip.addresses",
                     .flag = "--vip",
                     .type = "list of addresses",
                     .help = "The virtual IP addresses, IPv4, IPv6 or both, all held by the same host.",
                     .whenAbsent = "none; must be given",
                     .set = [](Configuration& c, const std::string& text) -> Parsed<void> {
                         const auto address = parseVirtualAddress(text);
                         return append(c.vip.addresses, address);
                     },
                     .get =
                         [](const Configuration& c) {
                             Texts texts;
                             for (const auto& address : c.vip.addresses)
                                 texts.push_back(address.to_string());
                             return texts;
                         },
                     .clear = [](Configuration& c) { c.vip.addresses.clear(); }});
    table.push_back(
        withParsedText(Key{.path = "vip.interface",
                           .flag = "--interface",
                           .type = "text",
                           .help = "The interface that carries the VIP and the election.",
                           .whenAbsent = "the one whose subnet holds the VIP, else the default route's"},
                       FAIRLEAD_FIELD(vip.interface), parseInterfaceName));
    table.push_back(
        withDuration(Key{.path = "vip.probe.interval",
                         .flag = "--vip-probe-interval",
                         .type = "duration",
                         .help = "How often this host asks whether the balancer answers through the VIP, to "
                                 "measure outages; see blackout.md. 0s: never."},
                     FAIRLEAD_FIELD(vip.probe.interval), kNone, hours(1)));
    table.push_back(withDuration(
        Key{.path = "vip.probe.timeout", .type = "duration", .help = "An answer that takes longer is none."},
        FAIRLEAD_FIELD(vip.probe.timeout), kShortest, hours(1)));
}

}  // namespace fairlead::config
