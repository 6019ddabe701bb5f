// The VRRP decoder under arbitrary bytes: as the datagram itself, and as a message behind a good IP header,
// so that the fuzzer needn't guess one. The first byte chooses what the receiver expects. What is accepted
// must survive being encoded and decoded again.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "agent/vrrp/packet.h"

namespace {

using namespace fairlead::vrrp;
using boost::asio::ip::address_v4;

constexpr std::uint32_t kSource = 0x0A090002;

void require(bool condition) {
    if (!condition) std::abort();
}

void checkAccepted(const Advertisement& advertisement, const Reception& reception) {
    require(advertisement.version == reception.options.version);
    require(advertisement.virtualRouterId == reception.options.virtualRouterId);
    require(advertisement.interval > Duration::zero());
    require(!advertisement.addresses.empty());
    require(advertisement.source != reception.primary);

    RouterOptions sender = reception.options;
    sender.addresses.assign(advertisement.addresses.begin(), advertisement.addresses.end());
    sender.advertInterval = std::chrono::duration_cast<std::chrono::milliseconds>(advertisement.interval);
    std::vector<std::uint8_t> again(20 + kMaxMessageSize);
    const std::size_t size =
        encode(std::span<std::uint8_t, kMaxMessageSize>(again.data() + 20, kMaxMessageSize), sender,
               advertisement.priority, advertisement.source);
    again.resize(20 + size);
    again[0] = 0x45;
    again[2] = static_cast<std::uint8_t>(again.size() >> 8);
    again[3] = static_cast<std::uint8_t>(again.size());
    again[8] = kTimeToLive;
    again[9] = kIpProtocol;
    std::ranges::copy(advertisement.source.to_bytes(), again.begin() + 12);
    std::ranges::copy(address_v4(kMulticastGroup).to_bytes(), again.begin() + 16);
    const auto second = decode(again, reception);
    require(second.has_value() && second->priority == advertisement.priority &&
            second->addresses == advertisement.addresses && second->interval == advertisement.interval);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    RouterOptions options{.virtualRouterId = 51, .addresses = {address_v4(0x0A090064)}};
    options.version = data[0] & 1 ? 3 : 2;
    options.advertInterval = std::chrono::seconds(1);
    if (data[0] & 2 && options.version == 2) {
        options.authentication = Authentication::Pass;
        options.password = "secret12";
    }
    if (data[0] & 4) options.checksum = ChecksumForm::MessageOnly;
    const InterfaceAddress own{.address = address_v4(0x0A090001), .prefixLength = 24};
    const Reception reception{.options = options, .primary = own.address, .addresses = {&own, 1}};

    const std::span<const std::uint8_t> input(data + 1, size - 1);
    std::vector<std::uint8_t> datagram;
    if (data[0] & 8) {
        datagram.assign(input.begin(), input.end());
    } else {
        const std::size_t total = std::min<std::size_t>(input.size() + 20, 0xFFFF);
        datagram = {0x45,
                    0xC0,
                    static_cast<std::uint8_t>(total >> 8),
                    static_cast<std::uint8_t>(total),
                    0,
                    0,
                    0,
                    0,
                    255,
                    112,
                    0,
                    0};
        for (const std::uint32_t address : {kSource, kMulticastGroup}) {
            const auto bytes = address_v4(address).to_bytes();
            datagram.insert(datagram.end(), bytes.begin(), bytes.end());
        }
        datagram.insert(datagram.end(), input.begin(),
                        input.begin() + static_cast<std::ptrdiff_t>(total - 20));
    }
    const auto advertisement = decode(datagram, reception);
    if (advertisement) checkAccepted(*advertisement, reception);
    return 0;
}
