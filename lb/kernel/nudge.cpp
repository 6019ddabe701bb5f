#include "lb/kernel/nudge.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <span>
#include <system_error>

namespace fairlead::lb {
namespace {

constexpr std::uint8_t kFlagAck = 0x10;
constexpr std::size_t kTcpHeader = 20;
constexpr std::uint8_t kHops = 64;

void put16(std::vector<std::uint8_t>& bytes, unsigned value) {
    bytes.push_back(static_cast<std::uint8_t>(value >> 8));
    bytes.push_back(static_cast<std::uint8_t>(value));
}

void put32(std::vector<std::uint8_t>& bytes, std::uint32_t value) {
    put16(bytes, value >> 16);
    put16(bytes, value & 0xffff);
}

void putAddress(std::vector<std::uint8_t>& bytes, const boost::asio::ip::address& address) {
    const auto append = [&bytes](const auto& raw) { bytes.insert(bytes.end(), raw.begin(), raw.end()); };
    if (address.is_v6()) {
        append(address.to_v6().to_bytes());
    } else {
        append(address.to_v4().to_bytes());
    }
}

/// RFC 1071.
unsigned checksum(std::span<const std::uint8_t> bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
        sum += static_cast<unsigned>(bytes[i]) << 8 | bytes[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

void store16(std::vector<std::uint8_t>& bytes, std::size_t at, unsigned value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}

std::vector<std::uint8_t> ipHeader(const Endpoint& from, const Endpoint& to) {
    std::vector<std::uint8_t> bytes;
    if (from.address.is_v6()) {
        put32(bytes, 6U << 28);
        put16(bytes, kTcpHeader);
        bytes.push_back(IPPROTO_TCP);
        bytes.push_back(kHops);
    } else {
        put16(bytes, 0x4500);
        put16(bytes, 20 + kTcpHeader);
        put32(bytes, 0);  // the kernel fills in the identification
        bytes.push_back(kHops);
        bytes.push_back(IPPROTO_TCP);
        put16(bytes, 0);  // and the checksum
    }
    putAddress(bytes, from.address);
    putAddress(bytes, to.address);
    return bytes;
}

}  // namespace

std::vector<std::uint8_t> nudgePacket(const Endpoint& from, const Endpoint& to, std::uint32_t sequence) {
    std::vector<std::uint8_t> tcp;
    put16(tcp, from.port);
    put16(tcp, to.port);
    put32(tcp, sequence);
    put32(tcp, sequence);
    tcp.push_back(kTcpHeader / 4 << 4);
    tcp.push_back(kFlagAck);
    put16(tcp, 0xffff);      // window
    put16(tcp, 0);           // checksum
    put16(tcp, kNudgeMark);  // urgent pointer

    std::vector<std::uint8_t> covered;
    putAddress(covered, from.address);
    putAddress(covered, to.address);
    put32(covered, kTcpHeader);
    put32(covered, IPPROTO_TCP);
    covered.insert(covered.end(), tcp.begin(), tcp.end());
    constexpr std::size_t kChecksumAt = 16;
    store16(tcp, kChecksumAt, checksum(covered));

    std::vector<std::uint8_t> packet = ipHeader(from, to);
    packet.insert(packet.end(), tcp.begin(), tcp.end());
    return packet;
}

Nudger::Nudger()
    : ipv4_(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW)),
      ipv6_(socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW)) {
    if (ipv4_ < 0) problem_ = std::generic_category().message(errno);
}

Nudger::~Nudger() {
    if (ipv4_ >= 0) close(ipv4_);
    if (ipv6_ >= 0) close(ipv6_);
}

void Nudger::nudge(const Endpoint& from, const Endpoint& to) {
    const int socket = to.address.is_v6() ? ipv6_ : ipv4_;
    if (socket < 0) return;
    sockaddr_storage storage{};
    // The port of a raw socket's destination is to be nought: raw(7).
    const socklen_t length = toSockaddr({.address = to.address, .port = 0}, storage);
    // Of two numbers half the circle apart one at least lies outside the receiver's window.
    for (const std::uint32_t sequence : {0x1000'0000U, 0x9000'0000U}) {
        const std::vector<std::uint8_t> packet = nudgePacket(from, to, sequence);
        (void)sendto(socket, packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&storage),
                     length);
    }
}

}  // namespace fairlead::lb
