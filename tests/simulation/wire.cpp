#include "tests/simulation/wire.h"

#include <algorithm>

namespace fairlead::simulation {
namespace {

constexpr std::size_t kIpHeader = 20;
constexpr std::uint32_t kAllRouters = 0xE0000012;  // 224.0.0.18

}  // namespace

Datagram seal(const vrrp::RouterOptions& options, std::uint8_t priority,
              const boost::asio::ip::address_v4& source) {
    std::array<std::uint8_t, vrrp::kMaxMessageSize> message;  // NOLINT(*-member-init): encode() fills it
    const std::size_t size = vrrp::encode(message, options, priority, source);
    Datagram datagram;
    datagram.size = static_cast<std::uint8_t>(kIpHeader + size);
    auto& ip = datagram.bytes;
    ip[0] = 0x45;
    ip[1] = 0xC0;
    ip[3] = datagram.size;
    ip[8] = vrrp::kTimeToLive;
    ip[9] = vrrp::kIpProtocol;
    std::ranges::copy(source.to_bytes(), ip.begin() + 12);
    std::ranges::copy(boost::asio::ip::address_v4(kAllRouters).to_bytes(), ip.begin() + 16);
    std::copy_n(message.begin(), size, ip.begin() + kIpHeader);
    return datagram;
}

void spoil(Datagram& datagram, const vrrp::RouterOptions& options, Random& random) {
    auto& bytes = datagram.bytes;
    switch (random.below(6)) {
        case 0:
            bytes[8] = static_cast<std::uint8_t>(random.below(255));  // TTL
            break;
        case 1:
            bytes[kIpHeader] =
                static_cast<std::uint8_t>((5 - options.version) << 4 | 1);  // the other version
            break;
        case 2:
            ++bytes[kIpHeader + 1];  // VRID
            break;
        case 3:
            --bytes[3];  // cut short
            break;
        case 4:
            ++bytes[kIpHeader + 3];  // count
            break;
        default:
            bytes[kIpHeader + 2] ^=
                static_cast<std::uint8_t>(1U << random.below(8));  // priority, unlike the checksum
            break;
    }
}

std::string difference(const vrrp::Advertisement& decoded, const vrrp::RouterOptions& sender,
                       std::uint8_t priority, const boost::asio::ip::address_v4& source) {
    if (decoded.version != sender.version) return "version";
    if (decoded.virtualRouterId != sender.virtualRouterId) return "virtual router id";
    if (decoded.priority != priority) return "priority";
    if (decoded.interval != sender.advertInterval) return "interval";
    if (decoded.source != source) return "source";
    if (decoded.addressesDiffer || !std::ranges::equal(decoded.addresses, sender.addresses))
        return "addresses";
    return {};
}

}  // namespace fairlead::simulation
