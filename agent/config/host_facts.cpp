#include "agent/config/host_facts.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <system_error>

namespace fairlead::config {
namespace {

boost::asio::ip::address_v4 addressOf(const sockaddr* socketAddress) {
    sockaddr_in in{};
    std::memcpy(&in, socketAddress, sizeof in);
    return boost::asio::ip::address_v4(ntohl(in.sin_addr.s_addr));
}

std::vector<HostInterface> readInterfaces() {
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0)
        throw std::system_error(errno, std::generic_category(), "cannot list the network interfaces");
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> guard(list, freeifaddrs);
    std::vector<HostInterface> interfaces;
    for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
        auto found = std::find_if(interfaces.begin(), interfaces.end(),
                                  [&](const HostInterface& i) { return i.name == entry->ifa_name; });
        if (found == interfaces.end())
            found = interfaces.insert(found, {.name = entry->ifa_name, .addresses = {}});
        if (!entry->ifa_addr || entry->ifa_addr->sa_family != AF_INET || !entry->ifa_netmask) continue;
        found->addresses.push_back({.address = addressOf(entry->ifa_addr),
                                    .prefixLength = static_cast<std::uint8_t>(
                                        std::popcount(addressOf(entry->ifa_netmask).to_uint()))});
    }
    return interfaces;
}

/// The default route of the lowest metric, from /proc/net/route (proc(5)): interface, destination, gateway,
/// flags, …
std::string readDefaultRoute() {
    std::ifstream file("/proc/net/route");
    std::string line;
    std::getline(file, line);  // the heading
    std::string best;
    unsigned long bestMetric = 0;
    while (std::getline(file, line)) {
        std::istringstream fields(line);
        std::string interface, destination, gateway, flags, references, uses, metricText, mask;
        fields >> interface >> destination >> gateway >> flags >> references >> uses >> metricText >> mask;
        if (!fields || destination != "00000000" || mask != "00000000") continue;
        const unsigned long metric = std::strtoul(metricText.c_str(), nullptr, 10);
        if (best.empty() || metric < bestMetric) {
            best = interface;
            bestMetric = metric;
        }
    }
    return best;
}

}  // namespace

HostFacts readHostFacts() {
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) != 0)
        throw std::system_error(errno, std::generic_category(), "gethostname");
    const char* nodeName =
        std::getenv("NODE_NAME");  // NOLINT(concurrency-mt-unsafe): before any thread starts
    return {.hostName = name.data(),
            .nodeName = nodeName ? nodeName : "",
            .interfaces = readInterfaces(),
            .defaultRouteInterface = readDefaultRoute()};
}

}  // namespace fairlead::config
