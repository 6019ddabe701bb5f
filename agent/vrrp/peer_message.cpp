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

std::size_t encode(PeerMessageBytes& bytes, const PeerMessage& message, const RouterOptions& options,
                   const boost::asio::ip::address& source, Sequence sequence) {
    bytes.fill(0);
    std::ranges::copy(kMagic, bytes.begin());
    bytes[4] = static_cast<std::uint8_t>(message.kind);
    bytes[5] = options.virtualRouterId;
    // 6 and 7 are where VRRP has its checksum, which HMAC leaves out.
    bytes[8] = message.priority;
    bytes[9] = options.version;
    std::ranges::copy(expectedPassword(options), bytes.begin() + kPasswordAt);
    if (!options.authenticator) return kPeerMessageSize;
    return options.authenticator->seal(bytes, kPeerMessageSize, source, sequence);
}

std::expected<PeerMessage, PeerMessageError> decodePeerMessage(std::span<const std::uint8_t> bytes,
                                                               const RouterOptions& options,
                                                               const boost::asio::ip::address& source) {
    const std::size_t size = kPeerMessageSize + (options.authenticator ? kHmacTrailerSize : 0);
    if (bytes.size() < kPeerMessageSize || !std::equal(kMagic.begin(), kMagic.end(), bytes.begin()))
        return std::unexpected(PeerMessageError::Malformed);
    if (bytes.size() != size)
        return std::unexpected(options.authenticator ? PeerMessageError::Hmac : PeerMessageError::Malformed);
    const auto kind = static_cast<PeerMessage::Kind>(bytes[4]);
    if (kind != PeerMessage::Kind::Hello && kind != PeerMessage::Kind::Successor)
        return std::unexpected(PeerMessageError::Malformed);
    if (bytes[5] != options.virtualRouterId || bytes[9] != options.version)
        return std::unexpected(PeerMessageError::OtherRouter);
    if (!samePassword(expectedPassword(options), bytes.subspan(kPasswordAt, PasswordBytes().size())))
        return std::unexpected(PeerMessageError::Password);
    PeerMessage message{.kind = kind, .priority = bytes[8]};
    if (options.authenticator) {
        const auto sequence = options.authenticator->verify(
            {.message = bytes.first(kPeerMessageSize), .trailer = bytes.subspan(kPeerMessageSize)}, source);
        if (!sequence) return std::unexpected(PeerMessageError::Hmac);
        message.sequence = *sequence;
    }
    return message;
}

}  // namespace fairlead::vrrp
