#include "agent/net/last_messages.h"

namespace fairlead::net {

using boost::asio::ip::address;

std::span<const LastMessage> LastMessages::write(const vrrp::RouterOptions& options, const address& source,
                                                 std::span<const address> destinations,
                                                 const std::optional<vrrp::Successor>& successor,
                                                 vrrp::Sequence sequence) {
    messages_.clear();
    for (const address& to : destinations) {
        if (messages_.size() + 1 >= kMost) break;
        auto& message = bytes_[messages_.size()];
        const std::size_t size = vrrp::encode(message, options, 0, source, to, sequence);
        messages_.push_back(
            {.udpPort = 0, .source = source, .destination = to, .bytes = std::span(message).first(size)});
    }
    if (successor) {
        const std::size_t size = vrrp::encode(
            naming_, {.kind = vrrp::PeerMessage::Kind::Successor, .priority = 0}, options, source, sequence);
        messages_.push_back({.udpPort = options.peerPort,
                             .source = source,
                             .destination = successor->peer,
                             .bytes = std::span(naming_).first(size)});
    }
    return {messages_.data(), messages_.size()};
}

}  // namespace fairlead::net
