// The VRRP decoder under arbitrary bytes: as a whole IPv4 datagram, and as a message of which the IP header
// is good, so that the fuzzer needn't guess one. The first byte chooses what the receiver expects. What is
// accepted must survive being encoded and decoded again.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "agent/vrrp/packet.h"

namespace {

using namespace fairlead::vrrp;
using boost::asio::ip::address;
using boost::asio::ip::address_v4;
using boost::asio::ip::make_address;

void require(bool condition) {
    if (!condition) std::abort();
}

const address kOwnAddress = address_v4(0x0A090001);
const address kPeer = address_v4(0x0A090002);
const address kOwnAddress6 = make_address("fe80::1");
const address kPeer6 = make_address("fe80::2");

address destinationFor(const Reception& reception) {
    if (reception.options.transport == Transport::Unicast) return reception.primary;
    return multicastGroup(reception.options.ipv6());
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
    std::array<std::uint8_t, kMaxMessageSize> again{};
    const address destination = destinationFor(reception);
    const std::size_t size = encode(again, sender, advertisement.priority, advertisement.source, destination);
    const auto second = decode(Datagram{.message = std::span(again).first(size),
                                        .source = advertisement.source,
                                        .destination = destination,
                                        .timeToLive = kTimeToLive},
                               reception);
    require(second.has_value() && second->priority == advertisement.priority &&
            second->addresses == advertisement.addresses && second->interval == advertisement.interval);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const bool ipv6 = (data[0] & 16) != 0;
    RouterOptions options{.virtualRouterId = 51};
    options.addresses = {ipv6 ? make_address("fe80::100") : address(address_v4(0x0A090064))};
    options.version = (data[0] & 1) != 0 || ipv6 ? 3 : 2;
    options.advertInterval = std::chrono::seconds(1);
    if ((data[0] & 2) != 0 && options.version == 2) {
        options.authentication = Authentication::Pass;
        options.password = "secret12";
    }
    if ((data[0] & 4) != 0) options.checksum = ChecksumForm::MessageOnly;
    if ((data[0] & 32) != 0) options.transport = Transport::Unicast;
    const InterfaceAddress own{.address = ipv6 ? kOwnAddress6 : kOwnAddress,
                               .prefixLength = static_cast<std::uint8_t>(ipv6 ? 64 : 24)};
    const address peer = ipv6 ? kPeer6 : kPeer;
    const Reception reception{
        .options = options, .primary = own.address, .addresses = {&own, 1}, .peers = {&peer, 1}};

    const std::span<const std::uint8_t> input(data + 1, size - 1);
    const bool whole = (data[0] & 8) != 0 && !ipv6;
    const auto advertisement = whole ? decode(input, reception)
                                     : decode(Datagram{.message = input,
                                                       .source = peer,
                                                       .destination = destinationFor(reception),
                                                       .timeToLive = kTimeToLive},
                                              reception);
    if (advertisement) checkAccepted(*advertisement, reception);
    return 0;
}
