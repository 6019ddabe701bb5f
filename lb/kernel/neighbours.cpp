#include "lb/kernel/neighbours.h"

#include <linux/neighbour.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>

namespace fairlead::lb {
namespace {

void require(int error, const std::string& what) {
    if (error < 0) throw std::runtime_error(what + ": " + nl_geterror(error));
}

constexpr int kUsable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;

std::optional<boost::asio::ip::address> addressOf(nl_addr* address) {
    const void* raw = nl_addr_get_binary_addr(address);
    if (nl_addr_get_family(address) == AF_INET && nl_addr_get_len(address) == 4) {
        boost::asio::ip::address_v4::bytes_type bytes{};
        std::memcpy(bytes.data(), raw, bytes.size());
        return boost::asio::ip::address_v4(bytes);
    }
    if (nl_addr_get_family(address) == AF_INET6 && nl_addr_get_len(address) == 16) {
        boost::asio::ip::address_v6::bytes_type bytes{};
        std::memcpy(bytes.data(), raw, bytes.size());
        return boost::asio::ip::address_v6(bytes);
    }
    return std::nullopt;
}

/// Of an Ethernet address; empty for any other.
std::string macOf(nl_addr* address) {
    if (!address || nl_addr_get_len(address) != 6) return "";
    std::array<char, 32> text{};
    return nl_addr2str(address, text.data(), text.size());
}

/// Of a bridge; in the order of their names, so that the same ports give the same list.
std::vector<std::string> portsOf(nl_sock* socket, int bridge) {
    nl_cache* dumped = nullptr;
    require(rtnl_link_alloc_cache(socket, AF_UNSPEC, &dumped), "links");
    const std::unique_ptr<nl_cache, decltype(&nl_cache_free)> cache(dumped, &nl_cache_free);
    std::vector<std::string> names;
    for (nl_object* object = nl_cache_get_first(cache.get()); object; object = nl_cache_get_next(object)) {
        auto* link = reinterpret_cast<rtnl_link*>(object);
        if (rtnl_link_get_master(link) == bridge) names.emplace_back(rtnl_link_get_name(link));
    }
    std::ranges::sort(names);
    return names;
}

bool isBridge(rtnl_link* link) {
    const char* type = rtnl_link_get_type(link);
    return type && std::strcmp(type, "bridge") == 0;
}

}  // namespace

Neighbours readNeighbours(const std::string& interface) {
    const std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(nl_socket_alloc(), &nl_socket_free);
    if (!socket) throw std::bad_alloc();
    require(nl_connect(socket.get(), NETLINK_ROUTE), "netlink");
    rtnl_link* found = nullptr;
    require(rtnl_link_get_kernel(socket.get(), 0, interface.c_str(), &found), interface);
    const std::unique_ptr<rtnl_link, decltype(&rtnl_link_put)> link(found, &rtnl_link_put);
    nl_cache* dumped = nullptr;
    require(rtnl_neigh_alloc_cache(socket.get(), &dumped), "neighbours");
    const std::unique_ptr<nl_cache, decltype(&nl_cache_free)> cache(dumped, &nl_cache_free);

    Neighbours result{.own = macOf(rtnl_link_get_addr(link.get())), .macs = {}, .ports = {interface}};
    if (isBridge(link.get())) result.ports = portsOf(socket.get(), rtnl_link_get_ifindex(link.get()));
    for (nl_object* object = nl_cache_get_first(cache.get()); object; object = nl_cache_get_next(object)) {
        auto* neighbour = reinterpret_cast<rtnl_neigh*>(object);
        if (rtnl_neigh_get_ifindex(neighbour) != rtnl_link_get_ifindex(link.get())) continue;
        if ((rtnl_neigh_get_state(neighbour) & kUsable) == 0) continue;
        const std::string mac = macOf(rtnl_neigh_get_lladdr(neighbour));
        const auto address = addressOf(rtnl_neigh_get_dst(neighbour));
        if (address && !mac.empty()) result.macs[*address] = mac;
    }
    return result;
}

}  // namespace fairlead::lb
