#include "agent/net/netlink.h"

#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/route/link.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace fairlead::net {
namespace {

struct CallbacksDeleter {
    void operator()(nl_cb* callbacks) const { nl_cb_put(callbacks); }
};
struct LinkDeleter {
    void operator()(rtnl_link* link) const { rtnl_link_put(link); }
};

/// After these the next answer might belong to an earlier question.
bool conversationBroken(int error) {
    return error == -NLE_AGAIN || error == -NLE_SEQ_MISMATCH || error == -NLE_NOMEM || error == -NLE_BAD_SOCK;
}

}  // namespace

NetlinkSocket openNetlink() {
    NetlinkSocket socket(nl_socket_alloc());
    if (!socket) throw std::runtime_error("netlink socket: out of memory");
    if (const int error = nl_connect(socket.get(), NETLINK_ROUTE); error < 0)
        throw std::runtime_error(std::string("netlink socket: ") + nl_geterror(error));
    return socket;
}

std::optional<AddressRecord> parseAddress(nlmsghdr* header) {
    if (nlmsg_datalen(header) < static_cast<int>(sizeof(ifaddrmsg))) return std::nullopt;
    ifaddrmsg body{};
    std::memcpy(&body, nlmsg_data(header), sizeof body);
    // On a point-to-point link IFA_ADDRESS is the other end; IFA_LOCAL is always ours. IPv6 has it there
    // only.
    const nlattr* local = nlmsg_find_attr(header, sizeof(ifaddrmsg), IFA_LOCAL);
    AddressRecord record{.interfaceIndex = static_cast<int>(body.ifa_index),
                         .address = {},
                         .prefixLength = body.ifa_prefixlen};
    if (body.ifa_family == AF_INET) {
        boost::asio::ip::address_v4::bytes_type bytes{};
        if (!local || nla_len(local) != static_cast<int>(bytes.size())) return std::nullopt;
        std::memcpy(bytes.data(), nla_data(local), bytes.size());
        record.address = boost::asio::ip::address_v4(bytes);
        record.secondary = (body.ifa_flags & IFA_F_SECONDARY) != 0;
        return record;
    }
    if (body.ifa_family != AF_INET6) return std::nullopt;
    if (!local) local = nlmsg_find_attr(header, sizeof(ifaddrmsg), IFA_ADDRESS);
    boost::asio::ip::address_v6::bytes_type bytes{};
    if (!local || nla_len(local) != static_cast<int>(bytes.size())) return std::nullopt;
    std::memcpy(bytes.data(), nla_data(local), bytes.size());
    record.address = boost::asio::ip::address_v6(bytes);
    record.usable = (body.ifa_flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0 ||
                    (body.ifa_flags & IFA_F_OPTIMISTIC) != 0;
    return record;
}

Netlink::Netlink() {
    connect();
}

void Netlink::connect() {
    socket_ = openNetlink();
    const int fd = nl_socket_get_fd(socket_.get());
    // Without the strict check the kernel ignores for which interface addresses are asked.
    const int on = 1;
    setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    const timeval patience{.tv_sec = 1, .tv_usec = 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

void Netlink::recover(int error) {
    if (!conversationBroken(error)) return;
    try {
        connect();
    } catch (const std::runtime_error&) {
        // Out of descriptors, say: the caller reports the first error, and the next request fails or works by
        // itself.
        return;
    }
}

std::expected<void, int> Netlink::order(AddressRequest request) {
    const int fd = nl_socket_get_fd(socket_.get());
    const std::uint32_t sequence = ++orders_;
    request.setSequence(sequence);
    const auto bytes = request.bytes();
    if (send(fd, bytes.data(), bytes.size(), 0) < 0) {
        const int error = errno;
        recover(-NLE_BAD_SOCK);
        return std::unexpected(error);
    }
    struct {
        nlmsghdr header{};
        nlmsgerr body{};
        std::array<std::uint8_t, 512> rest{};  // the order once more, and what the kernel says to it
    } answer;
    // What is not about this order is left from one whose answer was not waited for.
    for (;;) {
        const ssize_t size = recv(fd, &answer, sizeof answer, 0);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) {
            const int error = errno;
            recover(-NLE_AGAIN);
            return std::unexpected(error);
        }
        if (answer.header.nlmsg_type != NLMSG_ERROR || answer.header.nlmsg_seq != sequence) continue;
        if (answer.body.error == 0) return {};
        return std::unexpected(-answer.body.error);
    }
}

std::expected<std::optional<LinkRecord>, std::string> Netlink::link(const std::string& name) {
    rtnl_link* found = nullptr;
    const int error = rtnl_link_get_kernel(socket_.get(), 0, name.c_str(), &found);
    if (error == -NLE_NODEV || error == -NLE_OBJ_NOTFOUND) return std::nullopt;
    if (error < 0) {
        recover(error);
        return std::unexpected("reading interface " + name + ": " + nl_geterror(error));
    }
    const std::unique_ptr<rtnl_link, LinkDeleter> link(found);
    LinkRecord record{.index = rtnl_link_get_ifindex(link.get())};
    const unsigned flags = rtnl_link_get_flags(link.get());
    record.up = (flags & IFF_UP) != 0;
    record.running = (flags & IFF_RUNNING) != 0;
    const nl_addr* mac = rtnl_link_get_addr(link.get());
    if (mac && nl_addr_get_len(mac) == record.mac.size() &&
        rtnl_link_get_arptype(link.get()) == ARPHRD_ETHER) {
        std::memcpy(record.mac.data(), nl_addr_get_binary_addr(mac), record.mac.size());
        record.ethernet = true;
    }
    return record;
}

std::expected<void, std::string> Netlink::forEachAddress(
    int interfaceIndex, const std::function<void(const AddressRecord&)>& visit) {
    // A dump that other changes interrupted is incomplete: take it again, and hand out only a complete one.
    constexpr int kAttempts = 10;
    std::vector<AddressRecord> records;
    int error = 0;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        records.clear();
        error =
            dumpAddresses(interfaceIndex, [&](const AddressRecord& record) { records.push_back(record); });
        if (error != -NLE_DUMP_INTR) break;
    }
    if (error < 0) {
        recover(error);
        return std::unexpected(std::string("reading addresses: ") + nl_geterror(error));
    }
    std::ranges::for_each(records, visit);
    return {};
}

int Netlink::dumpAddresses(int interfaceIndex, const std::function<void(const AddressRecord&)>& visit) {
    ifaddrmsg request{};
    request.ifa_family = AF_UNSPEC;
    request.ifa_index = static_cast<std::uint32_t>(interfaceIndex);
    int error = nl_send_simple(socket_.get(), RTM_GETADDR, NLM_F_DUMP, &request, sizeof request);
    if (error < 0) return error;

    struct Context {
        int interfaceIndex;
        const std::function<void(const AddressRecord&)>& visit;
    } context{.interfaceIndex = interfaceIndex, .visit = visit};
    const std::unique_ptr<nl_cb, CallbacksDeleter> callbacks(nl_cb_alloc(NL_CB_DEFAULT));
    if (!callbacks) return -NLE_NOMEM;
    nl_cb_set(
        callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM,
        [](nl_msg* message, void* argument) {
            const auto* to = static_cast<const Context*>(argument);
            const auto record = parseAddress(nlmsg_hdr(message));
            if (record && (to->interfaceIndex == 0 || record->interfaceIndex == to->interfaceIndex))
                to->visit(*record);
            return static_cast<int>(NL_OK);
        },
        &context);
    error = nl_recvmsgs(socket_.get(), callbacks.get());
    return error < 0 ? error : 0;
}

std::string Netlink::interfaceNames() {
    std::string names;
    if (struct if_nameindex* list = if_nameindex()) {
        std::vector<std::string> sorted;
        for (const struct if_nameindex* item = list; item->if_index != 0; ++item)
            sorted.emplace_back(item->if_name);
        if_freenameindex(list);
        std::ranges::sort(sorted);
        for (const std::string& name : sorted)
            names += (names.empty() ? "" : ", ") + name;
    }
    return names;
}

std::string Netlink::interfaceName(int index) {
    std::array<char, IF_NAMESIZE> name{};
    return if_indextoname(static_cast<unsigned>(index), name.data()) ? name.data()
                                                                     : "interface " + std::to_string(index);
}

}  // namespace fairlead::net
