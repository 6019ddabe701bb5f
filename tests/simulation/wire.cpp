#include "tests/simulation/wire.h"

#include <algorithm>

namespace fairlead::simulation {
namespace {

using boost::asio::ip::address;

constexpr std::size_t kIpHeader = 20;

std::size_t headerSize(const Datagram& datagram) {
    return datagram.source.is_v6() ? 0 : kIpHeader;
}

}  // namespace

address hostAddress(bool ipv6, std::uint8_t host) {
    if (!ipv6) return boost::asio::ip::address_v4({10, 9, 0, host});
    return boost::asio::ip::address_v6({0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host});
}

address virtualAddress(bool ipv6, std::size_t index) {
    const auto last = static_cast<std::uint8_t>(index);
    if (!ipv6) return boost::asio::ip::address_v4({10, 9, 1, last});
    if (index == 0)
        return boost::asio::ip::address_v6({0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0});
    return boost::asio::ip::address_v6({0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, last});
}

Datagram seal(const vrrp::RouterOptions& options, std::uint8_t priority, const address& source) {
    std::array<std::uint8_t, vrrp::kMaxMessageSize> message;  // NOLINT(*-member-init): encode() fills it
    const std::size_t size = vrrp::encode(message, options, priority, source);
    Datagram datagram;
    datagram.source = source;
    const std::size_t header = headerSize(datagram);
    datagram.size = static_cast<std::uint8_t>(header + size);
    std::copy_n(message.begin(), size, datagram.bytes.begin() + static_cast<std::ptrdiff_t>(header));
    if (source.is_v6()) return datagram;
    auto& ip = datagram.bytes;
    ip[0] = 0x45;
    ip[1] = 0xC0;
    ip[3] = datagram.size;
    ip[8] = vrrp::kTimeToLive;
    ip[9] = vrrp::kIpProtocol;
    std::ranges::copy(source.to_v4().to_bytes(), ip.begin() + 12);
    std::ranges::copy(vrrp::multicastGroup(false).to_v4().to_bytes(), ip.begin() + 16);
    return datagram;
}

std::expected<vrrp::Advertisement, vrrp::RejectReason> open(const Datagram& datagram,
                                                            const vrrp::Reception& reception) {
    const auto bytes = std::span(datagram.bytes).first(datagram.size);
    if (!datagram.source.is_v6()) return vrrp::decode(bytes, reception);
    return vrrp::decode(vrrp::Datagram{.message = bytes,
                                       .source = datagram.source,
                                       .destination = vrrp::multicastGroup(true),
                                       .timeToLive = datagram.hopLimit},
                        reception);
}

void spoil(Datagram& datagram, const vrrp::RouterOptions& options, Random& random) {
    auto& bytes = datagram.bytes;
    const std::size_t message = headerSize(datagram);
    switch (random.below(6)) {
        case 0:
            (message == 0 ? datagram.hopLimit : bytes[8]) = static_cast<std::uint8_t>(random.below(255));
            break;
        case 1:
            bytes[message] = static_cast<std::uint8_t>((5 - options.version) << 4 | 1);  // the other version
            break;
        case 2:
            ++bytes[message + 1];  // VRID
            break;
        case 3:
            --(message == 0 ? datagram.size : bytes[3]);  // cut short
            break;
        case 4:
            ++bytes[message + 3];  // count
            break;
        default:
            bytes[message + 2] ^= static_cast<std::uint8_t>(1U << random.below(8));  // unlike the checksum
            break;
    }
}

std::string difference(const vrrp::Advertisement& decoded, const vrrp::RouterOptions& sender,
                       vrrp::Duration interval, std::uint8_t priority, const address& source) {
    if (decoded.version != sender.version) return "version";
    if (decoded.virtualRouterId != sender.virtualRouterId) return "virtual router id";
    if (decoded.priority != priority) return "priority";
    if (decoded.interval != interval) return "interval";
    if (decoded.source != source) return "source";
    if (decoded.addressesDiffer || !std::ranges::equal(decoded.addresses, sender.addresses))
        return "addresses";
    return {};
}

}  // namespace fairlead::simulation
