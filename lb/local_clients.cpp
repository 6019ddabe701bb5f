#include "lb/local_clients.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace fairlead::lb {
namespace {

struct Request {
    nlmsghdr header;
    inet_diag_req_v2 query;
};

void put(const boost::asio::ip::address& address, __be32* into) {
    if (address.is_v4()) {
        const auto bytes = address.to_v4().to_bytes();
        std::memcpy(into, bytes.data(), bytes.size());
    } else {
        const auto bytes = address.to_v6().to_bytes();
        std::memcpy(into, bytes.data(), bytes.size());
    }
}

}  // namespace

LocalClients::~LocalClients() {
    if (netlink_ >= 0) close(netlink_);
}

void LocalClients::end(const Endpoint& client, const Endpoint& service) {
    if (netlink_ < 0)
        netlink_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    Request request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DESTROY;
    // Without NLM_F_ACK: only a refusal is answered, and nobody reads it.
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.query.sdiag_family = client.address.is_v4() ? AF_INET : AF_INET6;
    request.query.sdiag_protocol = IPPROTO_TCP;
    request.query.idiag_states = ~0U;
    request.query.id.idiag_sport = htons(client.port);
    request.query.id.idiag_dport = htons(service.port);
    put(client.address, request.query.id.idiag_src);
    put(service.address, request.query.id.idiag_dst);
    request.query.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    request.query.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    (void)sendto(netlink_, &request, sizeof request, 0, reinterpret_cast<const sockaddr*>(&kernel),
                 sizeof kernel);
}

}  // namespace fairlead::lb
