#include "agent/vrrp/packet.h"

#include <algorithm>
#include <optional>

#include "agent/vrrp/layout.h"
#include "agent/vrrp/password.h"

namespace fairlead::vrrp {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;
using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kMinIpHeader = 20;
constexpr std::uint8_t kTypeAdvertisement = 1;
constexpr std::uint8_t kAuthNone = 0;
constexpr std::uint8_t kAuthPass = 1;
constexpr Duration kCentisecond = std::chrono::milliseconds(10);

std::uint16_t read16(Bytes bytes, std::size_t at) {
    return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

std::uint32_t read32(Bytes bytes, std::size_t at) {
    return static_cast<std::uint32_t>(read16(bytes, at)) << 16 | read16(bytes, at + 2);
}

void write16(std::span<std::uint8_t> bytes, std::size_t at, std::uint16_t value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8);
    bytes[at + 1] = static_cast<std::uint8_t>(value & 0xFF);
}

/// RFC 1071, folded but not inverted: 0xFFFF over data that holds its own right checksum.
std::uint16_t sum16(Bytes bytes, std::uint32_t sum) {
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
        sum += read16(bytes, i);
    if (bytes.size() % 2 == 1) sum += static_cast<std::uint32_t>(bytes.back()) << 8;
    while (sum > 0xFFFF)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}

std::uint32_t wordSum(Bytes bytes) {
    return sum16(bytes, 0);
}

std::uint32_t addressSum(const address& address) {
    return address.is_v6() ? wordSum(address.to_v6().to_bytes()) : wordSum(address.to_v4().to_bytes());
}

/// Source, destination, protocol, length: RFC 5798 §5.2.8 over IPv4, RFC 8200 §8.1 over IPv6.
std::uint32_t pseudoHeaderSum(const address& source, const address& destination, std::size_t length) {
    return addressSum(source) + addressSum(destination) + kIpProtocol + static_cast<std::uint32_t>(length);
}

address readAddress(Bytes bytes, std::size_t at, bool ipv6) {
    if (!ipv6) return address_v4(read32(bytes, at));
    address_v6::bytes_type raw{};
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), raw.size(), raw.begin());
    return address_v6(raw);
}

std::optional<RejectReason> checkHeader(const Datagram& ip, const Reception& reception) {
    const Bytes message = ip.message;
    const RouterOptions& ours = reception.options;
    if (message.size() < kHeaderSize) return RejectReason::TooShort;
    const std::uint8_t version = message[0] >> 4;
    if (version != 2 && version != 3) return RejectReason::Version;
    if ((message[0] & 0x0F) != kTypeAdvertisement) return RejectReason::Type;
    if (message[1] != ours.virtualRouterId) return RejectReason::VirtualRouterId;
    if (version != ours.version) return RejectReason::VersionMismatch;
    if (ours.transport == Transport::Unicast) {
        // The TTL says nothing where peers may be behind a router: there the list of peers decides.
        if (ip.destination != reception.primary) return RejectReason::Destination;
    } else {
        if (ip.timeToLive != kTimeToLive) return RejectReason::TimeToLive;
        if (ip.destination != multicastGroup(ours.ipv6())) return RejectReason::Destination;
    }
    return std::nullopt;
}

/// Message and trailer, of which there is none without HMAC.
std::expected<SealedMessage, RejectReason> takeApart(Bytes payload, const RouterOptions& ours) {
    if (!ours.authenticator) {
        if (payload.size() != messageSize(ours.version, ours.ipv6(), payload[3]))
            return std::unexpected(RejectReason::Length);
        return SealedMessage{.message = payload, .trailer = {}};
    }
    const auto sealed = splitTrailer(payload, ours.ipv6());
    if (!sealed) return std::unexpected(rejectReason(sealed.error()));
    return *sealed;
}

/// The form in which the checksum is right, if any.
std::optional<ChecksumForm> checksumForm(const Datagram& ip, Bytes message, const RouterOptions& ours) {
    const bool messageOnly = sum16(message, 0) == 0xFFFF;
    if (ours.version == 2) return messageOnly ? std::optional(ours.checksum) : std::nullopt;
    // Over IPv6 it is the kernel's business with keepalived, and so it covers the trailer as well.
    const Bytes covered = ours.ipv6() ? ip.message : message;
    const bool pseudoHeader =
        sum16(covered, pseudoHeaderSum(ip.source, ip.destination, covered.size())) == 0xFFFF;
    if (ours.ipv6()) return pseudoHeader ? std::optional(ours.checksum) : std::nullopt;
    if (messageOnly && pseudoHeader) return ours.checksum;
    if (pseudoHeader) return ChecksumForm::PseudoHeader;
    if (messageOnly) return ChecksumForm::MessageOnly;
    return std::nullopt;
}

std::optional<RejectReason> checkAuthentication(Bytes message, const RouterOptions& ours) {
    if (ours.version != 2) return std::nullopt;
    if (ours.authentication != Authentication::Pass) {
        // The authentication data of type 0 is ignored on receipt (RFC 3768 §5.3.10).
        if (message[4] != kAuthNone) return RejectReason::AuthenticationType;
        return std::nullopt;
    }
    if (message[4] != kAuthPass) return RejectReason::AuthenticationType;
    if (!samePassword(passwordBytes(ours.password), message.last(kAuthenticationSize)))
        return RejectReason::Password;
    return std::nullopt;
}

std::optional<RejectReason> checkSource(const address& source, const Reception& reception) {
    if (source == reception.primary) return RejectReason::OwnSource;
    const auto& vips = reception.options.addresses;
    if (source.is_unspecified() || source.is_loopback() || source.is_multicast() ||
        std::ranges::find(vips, source) != vips.end()) {
        return RejectReason::Source;
    }
    if (reception.options.transport == Transport::Unicast) {
        const bool known = std::ranges::find(reception.peers, source) != reception.peers.end();
        return known ? std::nullopt : std::optional(RejectReason::UnknownPeer);
    }
    // RFC 9568 §5.1.2.1: the sender's link-local address.
    if (source.is_v6())
        return source.to_v6().is_link_local() ? std::nullopt : std::optional(RejectReason::Source);
    bool subnetKnown = false;
    for (const InterfaceAddress& address : reception.addresses) {
        if (address.address.is_v6() || address.prefixLength >= 32) continue;
        subnetKnown = true;
        if (address.onLink(source)) return std::nullopt;
    }
    return subnetKnown ? std::optional(RejectReason::Source) : std::nullopt;
}

enum class Overlap : std::uint8_t { Same, Some, None };

/// Neither order nor repetition counts.
Overlap compareAddresses(const AddressList& theirs, std::span<const address> ours) {
    const auto isIn = [](const auto& list) {
        return [&list](const address& address) { return std::ranges::find(list, address) != list.end(); };
    };
    const bool allTheirs = std::ranges::all_of(theirs, isIn(ours));
    const bool allOurs = std::ranges::all_of(ours, isIn(theirs));
    if (allTheirs && allOurs) return Overlap::Same;
    return std::ranges::any_of(theirs, isIn(ours)) ? Overlap::Some : Overlap::None;
}

}  // namespace

address multicastGroup(bool ipv6) {
    constexpr address_v4::uint_type kAllVrrpRouters = 0xE0000012;
    constexpr address_v6::bytes_type kAllVrrpRouters6{0xFF, 0x02, 0, 0, 0, 0, 0, 0,
                                                      0,    0,    0, 0, 0, 0, 0, 0x12};
    return ipv6 ? address(address_v6(kAllVrrpRouters6)) : address(address_v4(kAllVrrpRouters));
}

bool InterfaceAddress::onLink(const boost::asio::ip::address& other) const {
    if (address.is_v6() != other.is_v6()) return false;
    const auto samePrefix = [this](const auto& left, const auto& right) {
        for (std::size_t bit = 0; bit < std::min<std::size_t>(prefixLength, left.size() * 8); bit += 8) {
            const std::size_t rest = prefixLength - bit;
            const auto mask = static_cast<std::uint8_t>(rest >= 8 ? 0xFF : 0xFF << (8 - rest));
            if (((left[bit / 8] ^ right[bit / 8]) & mask) != 0) return false;
        }
        return true;
    };
    return address.is_v6() ? samePrefix(address.to_v6().to_bytes(), other.to_v6().to_bytes())
                           : samePrefix(address.to_v4().to_bytes(), other.to_v4().to_bytes());
}

std::expected<Datagram, RejectReason> openIpv4(Bytes datagram) {
    if (datagram.size() < kMinIpHeader || datagram[0] >> 4 != 4)
        return std::unexpected(RejectReason::IpHeader);
    const std::size_t headerSize = static_cast<std::size_t>(datagram[0] & 0x0F) * 4;
    const std::size_t totalSize = read16(datagram, 2);
    const bool fragment = (read16(datagram, 6) & 0x3FFF) != 0;  // more fragments, or an offset
    if (headerSize < kMinIpHeader || totalSize < headerSize || totalSize > datagram.size() || fragment ||
        datagram[9] != kIpProtocol) {
        return std::unexpected(RejectReason::IpHeader);
    }
    // Bytes beyond the total length are the link layer's padding.
    return Datagram{.message = datagram.subspan(headerSize, totalSize - headerSize),
                    .source = address_v4(read32(datagram, 12)),
                    .destination = address_v4(read32(datagram, 16)),
                    .timeToLive = datagram[8]};
}

std::expected<Advertisement, RejectReason> decode(Bytes datagram, const Reception& reception) {
    const std::expected<Datagram, RejectReason> ip = openIpv4(datagram);
    if (!ip) return std::unexpected(ip.error());
    return decode(*ip, reception);
}

std::expected<Advertisement, RejectReason> decode(const Datagram& datagram, const Reception& reception) {
    if (const auto reason = checkHeader(datagram, reception)) return std::unexpected(*reason);

    const RouterOptions& ours = reception.options;
    const auto sealed = takeApart(datagram.message, ours);
    if (!sealed) return std::unexpected(sealed.error());
    const Bytes message = sealed->message;
    const auto form = checksumForm(datagram, message, ours);
    if (!form) return std::unexpected(RejectReason::Checksum);
    if (const auto reason = checkAuthentication(message, ours)) return std::unexpected(*reason);

    Advertisement advertisement;
    if (ours.authenticator) {
        const auto sequence = ours.authenticator->verify(*sealed, datagram.source);
        if (!sequence) return std::unexpected(rejectReason(sequence.error()));
        advertisement.sequence = *sequence;
    }
    advertisement.version = ours.version;
    advertisement.virtualRouterId = message[1];
    advertisement.priority = message[2];
    advertisement.source = datagram.source;
    advertisement.otherChecksumForm = *form != ours.checksum;

    // v2 routers must agree on it (RFC 3768 §7.1); in v3 it is learnt, but 0 would mean a storm (RFC 9568
    // erratum 8301).
    advertisement.interval = ours.version == 2 ? Duration(std::chrono::seconds(message[5]))
                                               : (read16(message, 4) & 0x0FFF) * kCentisecond;
    if (ours.version == 2 ? advertisement.interval != ours.advertInterval
                          : advertisement.interval == Duration::zero()) {
        return std::unexpected(RejectReason::Interval);
    }
    if (message[3] == 0) return std::unexpected(RejectReason::Count);
    for (std::size_t i = 0; i < message[3]; ++i) {
        advertisement.addresses.push_back(
            readAddress(message, kHeaderSize + addressSize(ours.ipv6()) * i, ours.ipv6()));
    }

    if (const auto reason = checkSource(datagram.source, reception)) return std::unexpected(*reason);

    // RFC 3768 §7.1: other addresses than ours, drop, unless the sender owns them. RFC 9568 §7.1 leaves it
    // open: addresses of which we share none belong to another cluster that happens to use our VRID, and must
    // not decide our election.
    const Overlap overlap = compareAddresses(advertisement.addresses, ours.addresses);
    advertisement.addressesDiffer = overlap != Overlap::Same;
    const bool foreign = ours.version == 2
                             ? overlap != Overlap::Same && advertisement.priority != kOwnerPriority
                             : overlap == Overlap::None;
    if (foreign) return std::unexpected(RejectReason::Addresses);
    // RFC 9568 §5.2.9 and erratum 8300. A router set up without one (keepalived takes that) can't ask for it.
    if (ours.ipv6() && ours.addresses.front().to_v6().is_link_local() &&
        !advertisement.addresses.front().to_v6().is_link_local()) {
        return std::unexpected(RejectReason::FirstAddress);
    }
    return advertisement;
}

std::size_t encode(std::span<std::uint8_t, kMaxMessageSize> message, const RouterOptions& options,
                   std::uint8_t priority, const address& source) {
    return encode(message, options, priority, source, multicastGroup(options.ipv6()));
}

std::size_t encode(std::span<std::uint8_t, kMaxMessageSize> message, const RouterOptions& options,
                   std::uint8_t priority, const address& source, const address& destination,
                   Sequence sequence) {
    const std::size_t count = std::min(options.addresses.size(), kMaxAddresses);
    const std::size_t size = messageSize(options.version, options.ipv6(), count);
    const std::span<std::uint8_t> out = message.first(size);
    std::ranges::fill(out, std::uint8_t{0});

    out[0] = static_cast<std::uint8_t>(options.version << 4 | kTypeAdvertisement);
    out[1] = options.virtualRouterId;
    out[2] = priority;
    out[3] = static_cast<std::uint8_t>(count);
    auto at = out.begin() + kHeaderSize;
    for (std::size_t i = 0; i < count; ++i) {
        at = options.ipv6() ? std::ranges::copy(options.addresses[i].to_v6().to_bytes(), at).out
                            : std::ranges::copy(options.addresses[i].to_v4().to_bytes(), at).out;
    }

    if (options.version == 2) {
        out[4] = options.authentication == Authentication::Pass ? kAuthPass : kAuthNone;
        out[5] = static_cast<std::uint8_t>(
            std::chrono::duration_cast<std::chrono::seconds>(options.advertInterval).count());
        if (options.authentication == Authentication::Pass)
            std::ranges::copy(passwordBytes(options.password), out.last(kAuthenticationSize).begin());
    } else {
        write16(out, 4, static_cast<std::uint16_t>(options.advertInterval / kCentisecond & 0x0FFF));
    }
    const std::size_t total =
        options.authenticator ? options.authenticator->seal(message, size, source, sequence) : size;
    const Bytes covered = message.first(options.ipv6() ? total : size);
    const bool pseudoHeader =
        options.version == 3 && (options.ipv6() || options.checksum == ChecksumForm::PseudoHeader);
    const std::uint32_t initial = pseudoHeader ? pseudoHeaderSum(source, destination, covered.size()) : 0;
    write16(out, 6, static_cast<std::uint16_t>(~sum16(covered, initial)));
    return total;
}

}  // namespace fairlead::vrrp
