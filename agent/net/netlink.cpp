#include "agent/net/netlink.h"

#include <linux/capability.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "agent/net/system_error.h"

namespace fairlead::net {
namespace {

struct CallbacksDeleter {
    void operator()(nl_cb* callbacks) const { nl_cb_put(callbacks); }
};

/// After these the next answer might belong to an earlier question.
bool conversationBroken(int error) {
    return error == -NLE_AGAIN || error == -NLE_SEQ_MISMATCH || error == -NLE_NOMEM || error == -NLE_BAD_SOCK;
}

}  // namespace

std::string orderErrorText(int error) {
    return errnoText(error) + (error == EPERM ? missingCapability(CAP_NET_ADMIN, "CAP_NET_ADMIN") : "");
}

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

Netlink::Netlink() : anySocket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (!anySocket_) throw std::runtime_error("socket: " + errnoText(errno));
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
    // Asked for one that isn't there, the ioctls would have the kernel run modprobe, and wait for it.
    if (setsockopt(anySocket_.get(), SOL_SOCKET, SO_BINDTODEVICE, name.c_str(),
                   static_cast<socklen_t>(name.size())) < 0 &&
        errno == ENODEV)
        return std::nullopt;
    ifreq request{};
    name.copy(request.ifr_name, sizeof request.ifr_name - 1);
    int error = 0;
    const auto ask = [&](unsigned long what) {
        error = ioctl(anySocket_.get(), what, &request) < 0 ? errno : 0;
        return error == 0;
    };
    LinkRecord record;
    if (ask(SIOCGIFHWADDR)) {
        if (request.ifr_hwaddr.sa_family == ARPHRD_ETHER) {
            std::memcpy(record.mac.data(), request.ifr_hwaddr.sa_data, record.mac.size());
            record.ethernet = true;
        }
    }
    if (error == 0 && ask(SIOCGIFFLAGS)) {
        const auto flags = static_cast<unsigned>(request.ifr_flags);
        record.up = (flags & IFF_UP) != 0;
        record.running = (flags & IFF_RUNNING) != 0;
    }
    if (error == 0 && ask(SIOCGIFINDEX)) record.index = request.ifr_ifindex;
    if (error == ENODEV) return std::nullopt;
    if (error != 0) return std::unexpected("reading interface " + name + ": " + errnoText(error));
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
        const auto keep = [&](const AddressRecord& record) { records.push_back(record); };
        // Asked for both families at once, the kernel takes RTNL.
        error = dumpAddresses(AF_INET, interfaceIndex, keep);
        if (error == 0) error = dumpAddresses(AF_INET6, interfaceIndex, keep);
        if (error != -NLE_DUMP_INTR) break;
    }
    if (error < 0) {
        recover(error);
        return std::unexpected(std::string("reading addresses: ") + nl_geterror(error));
    }
    std::ranges::for_each(records, visit);
    return {};
}

int Netlink::dumpAddresses(int family, int interfaceIndex,
                           const std::function<void(const AddressRecord&)>& visit) {
    ifaddrmsg request{};
    request.ifa_family = static_cast<std::uint8_t>(family);
    request.ifa_index = static_cast<std::uint32_t>(interfaceIndex);
    int error = nl_send_simple(socket_.get(), RTM_GETADDR, NLM_F_DUMP, &request, sizeof request);
    if (error < 0) return error;

    struct Context {
        bool ipv6;
        int interfaceIndex;
        const std::function<void(const AddressRecord&)>& visit;
    } context{.ipv6 = family == AF_INET6, .interfaceIndex = interfaceIndex, .visit = visit};
    const std::unique_ptr<nl_cb, CallbacksDeleter> callbacks(nl_cb_alloc(NL_CB_DEFAULT));
    if (!callbacks) return -NLE_NOMEM;
    nl_cb_set(
        callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM,
        [](nl_msg* message, void* argument) {
            const auto* to = static_cast<const Context*>(argument);
            const auto record = parseAddress(nlmsg_hdr(message));
            // A kernel without IPv6 answers with IPv4's.
            if (record && record->address.is_v6() == to->ipv6 &&
                (to->interfaceIndex == 0 || record->interfaceIndex == to->interfaceIndex))
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
