// What comes from the LAN beside VRRP, under arbitrary bytes: messages between peers, ARP frames and
// neighbour advertisements. The first byte chooses which.

#include <cstdint>
#include <cstdlib>
#include <span>

#include "agent/net/claim_watch.h"
#include "agent/vrrp/peer_message.h"

namespace {

using namespace fairlead;

void require(bool condition) {
    if (!condition) std::abort();
}

void readPeerMessage(std::span<const std::uint8_t> bytes) {
    const vrrp::RouterOptions options{.version = 2,
                                      .virtualRouterId = 51,
                                      .authentication = vrrp::Authentication::Pass,
                                      .password = "secret12"};
    const auto message = vrrp::decodePeerMessage(bytes, options);
    if (!message) return;
    vrrp::PeerMessageBytes again{};
    const std::size_t size = vrrp::encode(again, *message, options);
    const auto second = vrrp::decodePeerMessage(std::span(again).first(size), options);
    require(second && second->kind == message->kind && second->priority == message->priority);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::span<const std::uint8_t> input(data + 1, size - 1);
    switch (data[0] % 3) {
        case 0:
            readPeerMessage(input);
            break;
        case 1:
            net::readArpClaim(input);
            break;
        default:
            net::readNeighborClaim(input);
            break;
    }
    return 0;
}
