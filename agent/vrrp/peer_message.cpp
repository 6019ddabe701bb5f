#include "agent/vrrp/peer_message.h"

#include <algorithm>

#include "agent/vrrp/password.h"

namespace fairlead::vrrp {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic{'F', 'L', 'P', '1'};
constexpr std::size_t kPasswordAt = 12;

PasswordBytes expectedPassword(const RouterOptions& options) {
    return options.authentication == Authentication::Pass ? passwordBytes(options.password) : PasswordBytes{};
}

}  // namespace

PeerMessageBytes encode(const PeerMessage& message, const RouterOptions& options) {
    PeerMessageBytes bytes{};
    std::ranges::copy(kMagic, bytes.begin());
    bytes[4] = static_cast<std::uint8_t>(message.kind);
    bytes[5] = options.virtualRouterId;
    bytes[6] = message.priority;
    bytes[7] = options.version;
    std::ranges::copy(expectedPassword(options), bytes.begin() + kPasswordAt);
    return bytes;
}

std::expected<PeerMessage, PeerMessageError> decodePeerMessage(std::span<const std::uint8_t> bytes,
                                                               const RouterOptions& options) {
    if (bytes.size() != kPeerMessageSize || !std::equal(kMagic.begin(), kMagic.end(), bytes.begin()))
        return std::unexpected(PeerMessageError::Malformed);
    const auto kind = static_cast<PeerMessage::Kind>(bytes[4]);
    if (kind != PeerMessage::Kind::Hello && kind != PeerMessage::Kind::Successor)
        return std::unexpected(PeerMessageError::Malformed);
    if (bytes[5] != options.virtualRouterId || bytes[7] != options.version)
        return std::unexpected(PeerMessageError::OtherRouter);
    if (!samePassword(expectedPassword(options), bytes.subspan(kPasswordAt)))
        return std::unexpected(PeerMessageError::Password);
    return PeerMessage{.kind = kind, .priority = bytes[6]};
}

}  // namespace fairlead::vrrp
