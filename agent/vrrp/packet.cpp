#include "agent/vrrp/packet.h"

#include <algorithm>
#include <optional>

namespace fairlead::vrrp {
namespace {

using boost::asio::ip::address_v4;
using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kHeaderSize = 8;
constexpr std::size_t kAddressSize = 4;
constexpr std::size_t kAuthenticationSize = 8;
constexpr std::size_t kMinIpHeader = 20;
constexpr std::uint8_t kTypeAdvertisement = 1;
constexpr std::uint8_t kAuthNone = 0;
constexpr std::uint8_t kAuthPass = 1;
constexpr std::uint8_t kOwnerPriority = 255;
constexpr Duration kCentisecond = std::chrono::milliseconds(10);

using PasswordBytes = std::array<std::uint8_t, kAuthenticationSize>;

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

/// RFC 5798 §5.2.8 over IPv4: source, destination, protocol, length.
std::uint32_t pseudoHeaderSum(const address_v4& source, const address_v4& destination, std::size_t length) {
    const std::uint32_t from = source.to_uint();
    const std::uint32_t to = destination.to_uint();
    return (from >> 16) + (from & 0xFFFF) + (to >> 16) + (to & 0xFFFF) + kIpProtocol +
           static_cast<std::uint32_t>(length);
}

/// RFC 2338 §5.3.6.1: padded with zeros; what exceeds 8 bytes is cut, as keepalived does.
PasswordBytes passwordBytes(const RouterOptions& options) {
    PasswordBytes bytes{};
    std::copy_n(options.password.begin(), std::min(options.password.size(), bytes.size()), bytes.begin());
    return bytes;
}

/// Takes the same time wherever the first difference is.
bool samePassword(const PasswordBytes& ours, Bytes theirs) {
    unsigned difference = 0;
    for (std::size_t i = 0; i < ours.size(); ++i)
        difference |= static_cast<unsigned>(ours[i] ^ theirs[i]);
    return difference == 0;
}

std::size_t messageSize(std::uint8_t version, std::size_t count) {
    return kHeaderSize + kAddressSize * count + (version == 2 ? kAuthenticationSize : 0);
}

struct IpDatagram {
    Bytes message;
    address_v4 source;
    address_v4 destination;
    std::uint8_t timeToLive = 0;
};

std::expected<IpDatagram, RejectReason> openDatagram(Bytes datagram) {
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
    return IpDatagram{.message = datagram.subspan(headerSize, totalSize - headerSize),
                      .source = address_v4(read32(datagram, 12)),
                      .destination = address_v4(read32(datagram, 16)),
                      .timeToLive = datagram[8]};
}

std::optional<RejectReason> checkHeader(const IpDatagram& ip, const Reception& reception) {
    const Bytes message = ip.message;
    const RouterOptions& ours = reception.options;
    if (message.size() < kHeaderSize) return RejectReason::TooShort;
    const std::uint8_t version = message[0] >> 4;
    if (version != 2 && version != 3) return RejectReason::Version;
    if ((message[0] & 0x0F) != kTypeAdvertisement) return RejectReason::Type;
    if (message[1] != ours.virtualRouterId) return RejectReason::VirtualRouterId;
    if (version != ours.version) return RejectReason::VersionMismatch;
    if (ip.timeToLive != kTimeToLive) return RejectReason::TimeToLive;
    if (ip.destination != reception.destination) return RejectReason::Destination;
    if (message.size() != messageSize(version, message[3])) return RejectReason::Length;
    return std::nullopt;
}

/// The form in which the checksum is right, if any.
std::optional<ChecksumForm> checksumForm(const IpDatagram& ip, std::uint8_t version, ChecksumForm ours) {
    const bool messageOnly = sum16(ip.message, 0) == 0xFFFF;
    if (version == 2) return messageOnly ? std::optional(ours) : std::nullopt;
    const bool pseudoHeader =
        sum16(ip.message, pseudoHeaderSum(ip.source, ip.destination, ip.message.size())) == 0xFFFF;
    if (messageOnly && pseudoHeader) return ours;
    if (pseudoHeader) return ChecksumForm::PseudoHeader;
    if (messageOnly) return ChecksumForm::MessageOnly;
    return std::nullopt;
}

std::optional<RejectReason> checkAuthentication(Bytes message, const RouterOptions& ours) {
    if (ours.version != 2) return std::nullopt;
    if (ours.authentication == Authentication::None) {
        // The authentication data of type 0 is ignored on receipt (RFC 3768 §5.3.10).
        if (message[4] != kAuthNone) return RejectReason::AuthenticationType;
        return std::nullopt;
    }
    if (message[4] != kAuthPass) return RejectReason::AuthenticationType;
    if (!samePassword(passwordBytes(ours), message.last(kAuthenticationSize))) return RejectReason::Password;
    return std::nullopt;
}

std::optional<RejectReason> checkSource(const address_v4& source, const Reception& reception) {
    if (source == reception.primary) return RejectReason::OwnSource;
    const auto& vips = reception.options.addresses;
    if (source.is_unspecified() || source.is_loopback() || source.is_multicast() ||
        std::ranges::find(vips, source) != vips.end()) {
        return RejectReason::Source;
    }
    bool subnetKnown = false;
    for (const InterfaceAddress& address : reception.addresses) {
        if (address.prefixLength >= 32) continue;
        subnetKnown = true;
        if (address.onLink(source)) return std::nullopt;
    }
    return subnetKnown ? std::optional(RejectReason::Source) : std::nullopt;
}

enum class Overlap : std::uint8_t { Same, Some, None };

/// Neither order nor repetition counts.
Overlap compareAddresses(const AddressList& theirs, std::span<const address_v4> ours) {
    const auto isIn = [](const auto& list) {
        return [&list](const address_v4& address) { return std::ranges::find(list, address) != list.end(); };
    };
    const bool allTheirs = std::ranges::all_of(theirs, isIn(ours));
    const bool allOurs = std::ranges::all_of(ours, isIn(theirs));
    if (allTheirs && allOurs) return Overlap::Same;
    return std::ranges::any_of(theirs, isIn(ours)) ? Overlap::Some : Overlap::None;
}

}  // namespace

bool InterfaceAddress::onLink(const address_v4& other) const {
    if (prefixLength == 0) return true;
    const std::uint32_t mask = prefixLength >= 32 ? ~0U : ~(~0U >> prefixLength);
    return (address.to_uint() & mask) == (other.to_uint() & mask);
}

std::expected<Advertisement, RejectReason> decode(Bytes datagram, const Reception& reception) {
    const std::expected<IpDatagram, RejectReason> ip = openDatagram(datagram);
    if (!ip) return std::unexpected(ip.error());
    if (const auto reason = checkHeader(*ip, reception)) return std::unexpected(*reason);

    const RouterOptions& ours = reception.options;
    const Bytes message = ip->message;
    const auto form = checksumForm(*ip, ours.version, ours.checksum);
    if (!form) return std::unexpected(RejectReason::Checksum);
    if (const auto reason = checkAuthentication(message, ours)) return std::unexpected(*reason);

    Advertisement advertisement;
    advertisement.version = ours.version;
    advertisement.virtualRouterId = message[1];
    advertisement.priority = message[2];
    advertisement.source = ip->source;
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
    for (std::size_t i = 0; i < message[3]; ++i)
        advertisement.addresses.emplace_back(read32(message, kHeaderSize + kAddressSize * i));

    if (const auto reason = checkSource(ip->source, reception)) return std::unexpected(*reason);

    // RFC 3768 §7.1: other addresses than ours, drop, unless the sender owns them. RFC 9568 §7.1 leaves it
    // open: addresses of which we share none belong to another cluster that happens to use our VRID, and must
    // not decide our election.
    const Overlap overlap = compareAddresses(advertisement.addresses, ours.addresses);
    advertisement.addressesDiffer = overlap != Overlap::Same;
    const bool foreign = ours.version == 2
                             ? overlap != Overlap::Same && advertisement.priority != kOwnerPriority
                             : overlap == Overlap::None;
    if (foreign) return std::unexpected(RejectReason::Addresses);
    return advertisement;
}

std::size_t encode(std::span<std::uint8_t, kMaxMessageSize> message, const RouterOptions& options,
                   std::uint8_t priority, const address_v4& source, const address_v4& destination) {
    const std::size_t count = std::min(options.addresses.size(), kMaxAddresses);
    const std::size_t size = messageSize(options.version, count);
    const std::span<std::uint8_t> out = message.first(size);
    std::ranges::fill(out, std::uint8_t{0});

    out[0] = static_cast<std::uint8_t>(options.version << 4 | kTypeAdvertisement);
    out[1] = options.virtualRouterId;
    out[2] = priority;
    out[3] = static_cast<std::uint8_t>(count);
    auto at = out.begin() + kHeaderSize;
    for (std::size_t i = 0; i < count; ++i)
        at = std::ranges::copy(options.addresses[i].to_bytes(), at).out;

    std::uint32_t initial = 0;
    if (options.version == 2) {
        out[4] = options.authentication == Authentication::Pass ? kAuthPass : kAuthNone;
        out[5] = static_cast<std::uint8_t>(
            std::chrono::duration_cast<std::chrono::seconds>(options.advertInterval).count());
        if (options.authentication == Authentication::Pass)
            std::ranges::copy(passwordBytes(options), out.last(kAuthenticationSize).begin());
    } else {
        write16(out, 4, static_cast<std::uint16_t>(options.advertInterval / kCentisecond & 0x0FFF));
        if (options.checksum == ChecksumForm::PseudoHeader)
            initial = pseudoHeaderSum(source, destination, size);
    }
    write16(out, 6, static_cast<std::uint16_t>(~sum16(out, initial)));
    return size;
}

const char* toString(RejectReason reason) {
    switch (reason) {
        case RejectReason::IpHeader:
            return "ipHeader";
        case RejectReason::TooShort:
            return "tooShort";
        case RejectReason::Version:
            return "version";
        case RejectReason::Type:
            return "type";
        case RejectReason::VirtualRouterId:
            return "virtualRouterID";
        case RejectReason::VersionMismatch:
            return "versionMismatch";
        case RejectReason::TimeToLive:
            return "ttl";
        case RejectReason::Destination:
            return "destination";
        case RejectReason::Length:
            return "length";
        case RejectReason::Checksum:
            return "checksum";
        case RejectReason::AuthenticationType:
            return "authenticationType";
        case RejectReason::Password:
            return "password";
        case RejectReason::Interval:
            return "interval";
        case RejectReason::Count:
            return "count";
        case RejectReason::OwnSource:
            return "ownSource";
        case RejectReason::Source:
            return "source";
        case RejectReason::Addresses:
            return "addresses";
    }
    return "?";
}

const char* describe(RejectReason reason) {
    switch (reason) {
        case RejectReason::IpHeader:
            return "the IP header is malformed";
        case RejectReason::TooShort:
            return "it is shorter than a VRRP header";
        case RejectReason::Version:
            return "it is neither VRRP version 2 nor 3";
        case RejectReason::Type:
            return "it is not an advertisement";
        case RejectReason::VirtualRouterId:
            return "it is for another virtual router";
        case RejectReason::VersionMismatch:
            return "it is of the other VRRP version: set vrrp.version alike everywhere";
        case RejectReason::TimeToLive:
            return "its TTL is not 255, so it comes from off the link";
        case RejectReason::Destination:
            return "it was not sent to 224.0.0.18";
        case RejectReason::Length:
            return "its length does not fit its number of addresses";
        case RejectReason::Checksum:
            return "its checksum is wrong";
        case RejectReason::AuthenticationType:
            return "its authentication type is not ours: set vrrp.authentication alike everywhere";
        case RejectReason::Password:
            return "its password is not ours: set vrrp.authentication alike everywhere";
        case RejectReason::Interval:
            return "its advertisement interval is zero or, in version 2, not ours: set vrrp.advertInterval "
                   "alike everywhere";
        case RejectReason::Count:
            return "it holds no address";
        case RejectReason::OwnSource:
            return "its source is our own address: another host uses it, or it came back to us";
        case RejectReason::Source:
            return "its source is not a host of this subnet";
        case RejectReason::Addresses:
            return "it protects other addresses than we do: another cluster uses our virtualRouterID, or "
                   "vip.addresses differ";
    }
    return "?";
}

}  // namespace fairlead::vrrp
