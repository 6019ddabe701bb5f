#include "tests/fuzz/proxy_events/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

namespace fairlead::fuzz {
namespace {

using lb::Descriptor;

constexpr std::size_t kTcpChecksum = 16;  ///< its place in the TCP header

int check(int result, const char* what) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), what);
    return result;
}

void set(const char* name, std::string_view value) {
    const std::string path = std::string("/proc/sys/net/ipv4/") + name;
    const Descriptor file(check(open(path.c_str(), O_WRONLY | O_CLOEXEC), name));
    check(static_cast<int>(write(file.get(), value.data(), value.size())), name);
}

std::uint32_t sumOf(const std::uint8_t* bytes, std::size_t count) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < count; ++i)
        sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8U : bytes[i];
    return sum;
}

/// Loopback leaves it to a network card that isn't there (RFC 9293 section 3.1, RFC 1071).
void completeChecksum(std::vector<std::uint8_t>& packet) {
    const std::size_t header = std::size_t{4} * (packet[0] & 0xFU);
    const std::size_t length = packet.size() - header;
    packet[header + kTcpChecksum] = packet[header + kTcpChecksum + 1] = 0;
    std::uint32_t sum = sumOf(&packet[12], 8) + IPPROTO_TCP + static_cast<std::uint32_t>(length) +
                        sumOf(&packet[header], length);
    while (sum > 0xFFFF)
        sum = (sum & 0xFFFFU) + (sum >> 16U);
    sum = ~sum;
    packet[header + kTcpChecksum] = static_cast<std::uint8_t>(sum >> 8U);
    packet[header + kTcpChecksum + 1] = static_cast<std::uint8_t>(sum);
}

}  // namespace

void enterOwnNetwork() {
    check(unshare(CLONE_NEWNET), "a network namespace (is this root?)");
    const Descriptor socket(check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_mtu = 1500;
    check(ioctl(socket.get(), SIOCSIFMTU, &request), "SIOCSIFMTU");
    request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK;
    check(ioctl(socket.get(), SIOCSIFFLAGS, &request), "SIOCSIFFLAGS");
    // More than a connection may move in one turn.
    set("tcp_rmem", "4096 4194304 4194304");
    set("tcp_wmem", "4096 16384 131072");
    // Thousands of connections a second leave as many in TIME_WAIT.
    set("tcp_tw_reuse", "1");
    set("ip_local_port_range", "10000 65000");
}

LateSyns::LateSyns(std::uint16_t firstPort, std::uint16_t lastPort)
    : capture_(check(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "packet socket")),
      raw_(check(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), "raw socket")) {
    // IPv4, TCP, SYN without ACK, to one of the ports.
    std::array<sock_filter, 10> program{{
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 7),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 13),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 3),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, firstPort, 0, 1),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, lastPort, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
    }};
    std::vector<sock_filter> whole(program.begin(), program.end());
    whole.push_back(BPF_STMT(BPF_RET | BPF_K, 0xFFFF));
    const sock_fprog filter{.len = static_cast<unsigned short>(whole.size()), .filter = whole.data()};
    check(setsockopt(capture_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter), "filter");
    // Loopback shows each packet as it leaves and as it arrives.
    const int on = 1;
    check(setsockopt(capture_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on), "direction");
    const sockaddr_ll address{.sll_family = AF_PACKET,
                              .sll_protocol = htons(ETH_P_IP),
                              .sll_ifindex = static_cast<int>(if_nametoindex("lo"))};
    check(bind(capture_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "lo");
}

void LateSyns::collect() {
    std::array<std::uint8_t, 256> buffer{};
    for (;;) {
        const ssize_t n = recv(capture_.get(), buffer.data(), buffer.size(), 0);
        if (n < 0) return;
        packets_.emplace_back(buffer.begin(), buffer.begin() + n);
    }
}

void LateSyns::forget() {
    collect();
    packets_.clear();
}

void LateSyns::deliver(const lb::Endpoint& listener) {
    collect();
    sockaddr_storage storage{};
    lb::toSockaddr(listener, storage);
    const auto& to = reinterpret_cast<const sockaddr_in&>(storage);
    const std::vector<Packet> all = std::exchange(packets_, {});
    for (Packet packet : all) {
        const std::size_t header = std::size_t{4} * (packet[0] & 0xFU);
        if (std::memcmp(&packet[16], &to.sin_addr, 4) != 0 ||
            std::memcmp(&packet[header + 2], &to.sin_port, 2) != 0) {
            packets_.push_back(std::move(packet));
            continue;
        }
        completeChecksum(packet);
        (void)sendto(raw_.get(), packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                     sizeof to);
    }
}

}  // namespace fairlead::fuzz
