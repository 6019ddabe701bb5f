#include "agent/net/claim_watch.h"

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "agent/net/socket_options.h"
#include "agent/net/system_error.h"

namespace fairlead::net {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;

constexpr std::size_t kArpSenderMac = 22;
constexpr std::size_t kArpSenderAddress = 28;
constexpr std::size_t kMaxFrame = 512;

/// ARP frames whose sender address is one of the VIPs.
void attachArpFilter(int fd, const std::vector<address>& vips) {
    std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kArpSenderAddress)};
    for (const address& vip : vips) {
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, vip.to_v4().to_uint(), 0, 1));
        program.push_back(BPF_STMT(BPF_RET | BPF_K, kMaxFrame));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
    setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER,
              sock_fprog{.len = static_cast<unsigned short>(program.size()), .filter = program.data()},
              "SO_ATTACH_FILTER");
}

Descriptor openArp(int interfaceIndex, const std::vector<address>& vips) {
    // Protocol 0 first: nothing is queued before the filter is there.
    Descriptor opened(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!opened) throw std::runtime_error("packet socket: " + errnoText(errno));
    attachArpFilter(opened.get(), vips);
    sockaddr_ll where{};
    where.sll_family = AF_PACKET;
    where.sll_protocol = htons(ETH_P_ARP);
    where.sll_ifindex = interfaceIndex;
    if (bind(opened.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) < 0)
        throw std::runtime_error("packet socket: " + errnoText(errno));
    return opened;
}

Descriptor openNeighbor(const std::string& interface) {
    Descriptor opened(socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6));
    if (!opened) throw std::runtime_error("ICMPv6 socket: " + errnoText(errno));
    icmp6_filter filter{};
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ND_NEIGHBOR_ADVERT, &filter);
    setOption(opened.get(), IPPROTO_ICMPV6, ICMP6_FILTER, filter, "ICMP6_FILTER");
    if (setsockopt(opened.get(), SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
                   static_cast<socklen_t>(interface.size())) < 0)
        throw std::runtime_error("ICMPv6 socket: " + errnoText(errno));
    setOption(opened.get(), SOL_SOCKET, SO_RCVBUF, 32 * 1024, "SO_RCVBUF");
    return opened;
}

}  // namespace

std::optional<Claim> readArpClaim(std::span<const std::uint8_t> frame) {
    // Ethernet and IPv4, request or reply alike: either puts the sender into the neighbours' tables.
    constexpr std::array<std::uint8_t, 8> kEthernetIpv4{0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4};
    if (frame.size() < kArpSenderAddress + 4) return std::nullopt;
    if (!std::ranges::equal(frame.subspan(12, kEthernetIpv4.size()), kEthernetIpv4)) return std::nullopt;
    Claim claim;
    std::ranges::copy(frame.subspan(kArpSenderMac, claim.mac.size()), claim.mac.begin());
    address_v4::bytes_type bytes{};
    std::ranges::copy(frame.subspan(kArpSenderAddress, bytes.size()), bytes.begin());
    claim.address = address_v4(bytes);
    return claim;
}

std::optional<Claim> readNeighborClaim(std::span<const std::uint8_t> message) {
    constexpr std::size_t kTarget = 8;
    constexpr std::size_t kOptions = 24;
    constexpr std::uint8_t kTargetLinkLayerAddress = 2;
    if (message.size() < kOptions || message[0] != ND_NEIGHBOR_ADVERT) return std::nullopt;
    Claim claim;
    address_v6::bytes_type bytes{};
    std::ranges::copy(message.subspan(kTarget, bytes.size()), bytes.begin());
    claim.address = address_v6(bytes);
    for (std::size_t at = kOptions; at + 8 <= message.size();) {
        const std::size_t size = static_cast<std::size_t>(message[at + 1]) * 8;
        if (size == 0) return std::nullopt;
        if (message[at] == kTargetLinkLayerAddress) {
            std::ranges::copy(message.subspan(at + 2, claim.mac.size()), claim.mac.begin());
            return claim;
        }
        at += size;
    }
    return std::nullopt;
}

ClaimWatch::ClaimWatch(const std::string& interface, int interfaceIndex, std::vector<address> vips)
    : vips_(std::move(vips)),
      socket_(vips_.front().is_v6() ? openNeighbor(interface) : openArp(interfaceIndex, vips_)) {}

std::optional<Claim> ClaimWatch::next() {
    // What isn't about a VIP is passed over; more than so much at a time waits for the next round.
    constexpr int kAtMost = 64;
    std::array<std::uint8_t, kMaxFrame> buffer{};
    for (int i = 0; i < kAtMost; ++i) {
        const ssize_t size = recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size < 0) return std::nullopt;
        const std::span bytes = std::span(buffer).first(static_cast<std::size_t>(size));
        const auto claim = vips_.front().is_v6() ? readNeighborClaim(bytes) : readArpClaim(bytes);
        if (claim && std::ranges::find(vips_, claim->address) != vips_.end()) return claim;
    }
    return std::nullopt;
}

}  // namespace fairlead::net
