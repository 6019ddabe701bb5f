#include "agent/checks/listening_ports.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/idiag/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <memory>
#include <new>

namespace fairlead::checks {
namespace {

using SocketPtr = std::unique_ptr<nl_sock, decltype(&nl_socket_free)>;
using CachePtr = std::unique_ptr<nl_cache, decltype(&nl_cache_free)>;

}  // namespace

std::expected<bool, std::string> isListening(std::uint16_t port) {
    const SocketPtr socket(nl_socket_alloc(), &nl_socket_free);
    if (!socket) throw std::bad_alloc();
    int error = nl_connect(socket.get(), NETLINK_SOCK_DIAG);
    if (error < 0) return std::unexpected(std::string("cannot open sock_diag: ") + nl_geterror(error));
    nl_cache* dumped = nullptr;
    error = idiagnl_msg_alloc_cache(socket.get(), AF_UNSPEC, 1 << TCP_LISTEN, &dumped);
    if (error < 0) return std::unexpected(std::string("cannot list listening ports: ") + nl_geterror(error));
    const CachePtr listeners(dumped, &nl_cache_free);
    for (nl_object* object = nl_cache_get_first(listeners.get()); object != nullptr;
         object = nl_cache_get_next(object)) {
        // libnl hands the port out in network byte order.
        if (ntohs(idiagnl_msg_get_sport(reinterpret_cast<idiagnl_msg*>(object))) == port) return true;
    }
    return false;
}

}  // namespace fairlead::checks
