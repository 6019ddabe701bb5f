#include "lb/kernel/nft_counters.h"

#include <libmnl/libmnl.h>
#include <libnftnl/object.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace fairlead::lb {
namespace {

using Counters = std::map<std::string, NftCounter>;
using Object = std::unique_ptr<nftnl_obj, void (*)(const nftnl_obj*)>;

Object makeObject() {
    return {nftnl_obj_alloc(), nftnl_obj_free};
}

int take(const nlmsghdr* message, void* data) {
    const Object object = makeObject();
    if (!object || nftnl_obj_nlmsg_parse(message, object.get()) < 0) return MNL_CB_ERROR;
    const char* name = nftnl_obj_get_str(object.get(), NFTNL_OBJ_NAME);
    if (name && nftnl_obj_get_u32(object.get(), NFTNL_OBJ_TYPE) == NFT_OBJECT_COUNTER) {
        (*static_cast<Counters*>(data))[name] = {
            .packets = nftnl_obj_get_u64(object.get(), NFTNL_OBJ_CTR_PKTS),
            .bytes = nftnl_obj_get_u64(object.get(), NFTNL_OBJ_CTR_BYTES)};
    }
    return MNL_CB_OK;
}

std::unexpected<std::string> failure() {
    return std::unexpected(std::string("counters: ") +
                           std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace

std::expected<Counters, std::string> readCounters(const std::string& family, const std::string& table) {
    const std::unique_ptr<mnl_socket, int (*)(mnl_socket*)> socket(
        mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC), mnl_socket_close);
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return failure();

    std::array<char, 1U << 15> buffer{};
    const Object wanted = makeObject();
    if (!wanted) return failure();
    nftnl_obj_set_str(wanted.get(), NFTNL_OBJ_TABLE, table.c_str());
    nftnl_obj_set_u32(wanted.get(), NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
    const std::uint16_t protocol = family == "ip6" ? AF_INET6 : AF_INET;
    nlmsghdr* request = nftnl_nlmsg_build_hdr(buffer.data(), NFT_MSG_GETOBJ, protocol, NLM_F_DUMP, 1);
    nftnl_obj_nlmsg_build_payload(request, wanted.get());
    if (mnl_socket_sendto(socket.get(), request, request->nlmsg_len) < 0) return failure();

    Counters found;
    for (;;) {
        const ssize_t length = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
        if (length < 0) return failure();
        const int more = mnl_cb_run(buffer.data(), static_cast<std::size_t>(length), 1,
                                    mnl_socket_get_portid(socket.get()), take, &found);
        if (more == MNL_CB_STOP) return found;
        if (more < 0) {
            // The table went meanwhile.
            if (errno == ENOENT) return Counters{};
            return failure();
        }
    }
}

}  // namespace fairlead::lb
