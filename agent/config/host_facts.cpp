#include "agent/config/host_facts.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <net/route.h>
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
#include <string_view>
#include <system_error>

namespace fairlead::config {
namespace {

boost::asio::ip::address_v4 addressOf(const sockaddr* socketAddress) {
    sockaddr_in in{};
    std::memcpy(&in, socketAddress, sizeof in);
    return boost::asio::ip::address_v4(ntohl(in.sin_addr.s_addr));
}

std::string environment(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread starts
    return value ? value : "";
}

std::vector<HostInterface> readInterfaces() {
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0)
        throw std::system_error(errno, std::generic_category(), "cannot list the network interfaces");
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> guard(list, freeifaddrs);
    std::vector<HostInterface> interfaces;
    for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
        // An address with a label comes under that ("eth0:1"); no interface's name has a colon.
        const std::string_view label(entry->ifa_name);
        const std::string name(label.substr(0, label.find(':')));
        auto found = std::ranges::find(interfaces, name, &HostInterface::name);
        if (found == interfaces.end()) {
            found = interfaces.insert(
                found, {.name = name, .up = (entry->ifa_flags & IFF_UP) != 0, .addresses = {}});
        }
        if (!entry->ifa_addr || entry->ifa_addr->sa_family != AF_INET || !entry->ifa_netmask) continue;
        found->addresses.push_back({.address = addressOf(entry->ifa_addr),
                                    .prefixLength = static_cast<std::uint8_t>(
                                        std::popcount(addressOf(entry->ifa_netmask).to_uint()))});
    }
    return interfaces;
}

}  // namespace

std::string defaultRouteInterface(std::istream& table) {
    std::string line;
    std::getline(table, line);  // the heading
    std::string best;
    unsigned long bestMetric = 0;
    while (std::getline(table, line)) {
        std::istringstream fields(line);
        std::string interface;
        std::string destination;
        std::string gateway;
        std::string mask;
        unsigned long flags = 0;
        unsigned long references = 0;
        unsigned long uses = 0;
        unsigned long metric = 0;
        fields >> interface >> destination >> gateway >> std::hex >> flags >> std::dec >> references >>
            uses >> metric >> mask;
        const bool usable = fields && (flags & RTF_UP) != 0 && (flags & RTF_REJECT) == 0;
        if (!usable || destination != "00000000" || mask != "00000000") continue;
        if (best.empty() || metric < bestMetric) {
            best = interface;
            bestMetric = metric;
        }
    }
    return best;
}

HostFacts readHostFacts() {
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) != 0)
        throw std::system_error(errno, std::generic_category(), "gethostname");
    std::ifstream routes("/proc/net/route");
    return {.hostName = name.data(),
            .nodeName = environment("NODE_NAME"),
            .hostIp = environment("HOST_IP"),
            .interfaces = readInterfaces(),
            .defaultRouteInterface = defaultRouteInterface(routes)};
}

}  // namespace fairlead::config
