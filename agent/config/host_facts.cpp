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

#include "agent/files/small_file.h"

namespace fairlead::config {
namespace {

/// Without the scope of a link-local one. Only for AF_INET and AF_INET6.
boost::asio::ip::address addressOf(const sockaddr* socketAddress) {
    if (socketAddress->sa_family == AF_INET6) {
        sockaddr_in6 in{};
        std::memcpy(&in, socketAddress, sizeof in);
        boost::asio::ip::address_v6::bytes_type bytes{};
        std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
        return boost::asio::ip::address_v6(bytes);
    }
    sockaddr_in in{};
    std::memcpy(&in, socketAddress, sizeof in);
    return boost::asio::ip::address_v4(ntohl(in.sin_addr.s_addr));
}

std::uint8_t bitsOf(const boost::asio::ip::address& mask) {
    int bits = 0;
    const auto count = [&bits](const auto& bytes) {
        for (const std::uint8_t byte : bytes)
            bits += std::popcount(byte);
    };
    if (mask.is_v6()) {
        count(mask.to_v6().to_bytes());
    } else {
        count(mask.to_v4().to_bytes());
    }
    return static_cast<std::uint8_t>(bits);
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
        if (!entry->ifa_addr || !entry->ifa_netmask) continue;
        const sa_family_t family = entry->ifa_addr->sa_family;
        if (family != AF_INET && family != AF_INET6) continue;
        // The mask of an IPv6 address may come without its family.
        sockaddr_storage mask{};
        std::memcpy(&mask, entry->ifa_netmask,
                    family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
        mask.ss_family = family;
        found->addresses.push_back(
            {.address = addressOf(entry->ifa_addr),
             .prefixLength = bitsOf(addressOf(reinterpret_cast<const sockaddr*>(&mask)))});
    }
    return interfaces;
}

/// Nothing if there is no such file.
std::optional<ApiServerManifest> readApiServerManifest(const std::string& file) {
    if (file.empty()) return std::nullopt;
    const auto content = files::readSmallFile(file);
    if (content) return parseApiServerManifest(content->text, file);
    if (content.error().code == ENOENT || content.error().code == ENOTDIR) return std::nullopt;
    return ApiServerManifest{.file = file, .problems = {content.error().text}};
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

std::string defaultRouteInterface6(std::istream& table) {
    // Destination, prefix length, source, prefix length, next hop, metric, two counts, flags, interface; all
    // but the last in hexadecimal.
    std::string best;
    unsigned long bestMetric = 0;
    for (std::string line; std::getline(table, line);) {
        std::istringstream fields(line);
        std::string destination;
        std::string skipped;
        std::string interface;
        unsigned length = 0;
        unsigned long metric = 0;
        unsigned long flags = 0;
        fields >> destination >> std::hex >> length >> skipped >> skipped >> skipped >> metric >> skipped >>
            skipped >> flags >> interface;
        const bool usable = fields && (flags & RTF_UP) != 0 && (flags & RTF_REJECT) == 0;
        if (!usable || length != 0 || interface == "lo") continue;
        if (best.empty() || metric < bestMetric) {
            best = interface;
            bestMetric = metric;
        }
    }
    return best;
}

HostFacts readHostFacts(const std::string& apiServerManifest) {
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) != 0)
        throw std::system_error(errno, std::generic_category(), "gethostname");
    std::ifstream routes("/proc/net/route");
    std::ifstream routes6("/proc/net/ipv6_route");
    std::string defaultRoute = defaultRouteInterface(routes);
    if (defaultRoute.empty()) defaultRoute = defaultRouteInterface6(routes6);
    return {.hostName = name.data(),
            .nodeName = environment("NODE_NAME"),
            .hostIp = environment("HOST_IP"),
            .interfaces = readInterfaces(),
            .defaultRouteInterface = std::move(defaultRoute),
            .apiServer = readApiServerManifest(apiServerManifest)};
}

}  // namespace fairlead::config
