// SHA-256 through EVP allocates for every message (seen with OpenSSL 3.0), and the election thread must not:
// hence the functions that OpenSSL would rather have us leave.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "agent/vrrp/hmac.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>

#include "agent/vrrp/layout.h"

namespace fairlead::vrrp {
namespace {

using boost::asio::ip::address;
using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kChecksumAt = 6;

// The trailer.
constexpr std::size_t kKeyIdAt = 1;
constexpr std::size_t kReservedAt = 2;
constexpr std::size_t kSequenceAt = 4;
constexpr std::size_t kMacAt = 12;
constexpr std::size_t kMacSize = 16;
constexpr std::uint8_t kSchemeSha256 = 1;

// The pseudo header.
constexpr std::size_t kPseudoSize = 20;
constexpr std::size_t kPseudoAddressAt = 4;

constexpr std::size_t kBlockSize = SHA256_CBLOCK;
static_assert(kHmacKeyMax <= kBlockSize, "a longer key would have to be hashed first");

using Digest = std::array<std::uint8_t, SHA256_DIGEST_LENGTH>;

/// SHA-256 after one block of the secret, each byte changed by `pad`.
SHA256_CTX startedWith(Bytes secret, std::uint8_t pad) {
    std::array<std::uint8_t, kBlockSize> block{};
    std::ranges::copy(secret, block.begin());
    for (std::uint8_t& byte : block)
        byte ^= pad;
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, block.data(), block.size());
    OPENSSL_cleanse(block.data(), block.size());
    return context;
}

/// What binds the message to its sender and its virtual router, whatever carried it.
std::array<std::uint8_t, kPseudoSize> pseudoHeader(Bytes message, const address& source) {
    std::array<std::uint8_t, kPseudoSize> pseudo{};
    pseudo[0] = source.is_v6() ? 6 : 4;
    pseudo[1] = message[0] >> 4;
    pseudo[2] = message[1];
    if (source.is_v6()) {
        std::ranges::copy(source.to_v6().to_bytes(), pseudo.begin() + kPseudoAddressAt);
    } else {
        std::ranges::copy(source.to_v4().to_bytes(), pseudo.begin() + kPseudoAddressAt);
    }
    return pseudo;
}

/// RFC 2104 over pseudo header, message and trailer, checksum and MAC read as zero.
Digest digest(SHA256_CTX inner, SHA256_CTX outer, const SealedMessage& sealed, const address& source) {
    static constexpr std::array<std::uint8_t, kMacSize> kZeros{};
    constexpr std::size_t kAfterChecksum = kChecksumAt + 2;
    const Bytes message = sealed.message;
    const auto pseudo = pseudoHeader(message, source);
    SHA256_Update(&inner, pseudo.data(), pseudo.size());
    SHA256_Update(&inner, message.data(), kChecksumAt);
    SHA256_Update(&inner, kZeros.data(), kAfterChecksum - kChecksumAt);
    SHA256_Update(&inner, message.data() + kAfterChecksum, message.size() - kAfterChecksum);
    SHA256_Update(&inner, sealed.trailer.data(), kMacAt);
    SHA256_Update(&inner, kZeros.data(), kMacSize);
    Digest result{};
    SHA256_Final(result.data(), &inner);  // wipes the context
    SHA256_Update(&outer, result.data(), result.size());
    SHA256_Final(result.data(), &outer);
    return result;
}

}  // namespace

std::expected<HmacKey, std::string> HmacKey::make(unsigned id, Bytes secret) {
    if (id < 1 || id > 255) return std::unexpected("the key id must be 1 to 255");
    if (secret.size() < kHmacKeyMin || secret.size() > kHmacKeyMax) {
        return std::unexpected("the key has " + std::to_string(secret.size()) + " bytes; it must have " +
                               std::to_string(kHmacKeyMin) + " to " + std::to_string(kHmacKeyMax));
    }
    HmacKey key;
    key.id_ = static_cast<std::uint8_t>(id);
    key.inner_ = startedWith(secret, 0x36);
    key.outer_ = startedWith(secret, 0x5C);
    return key;
}

bool HmacKey::operator==(const HmacKey& other) const {
    return id_ == other.id_ && std::ranges::equal(inner_.h, other.inner_.h) &&
           std::ranges::equal(outer_.h, other.outer_.h);
}

HmacKey::~HmacKey() {
    OPENSSL_cleanse(&inner_, sizeof inner_);
    OPENSSL_cleanse(&outer_, sizeof outer_);
}

std::expected<SealedMessage, HmacReject> splitTrailer(Bytes payload, bool ipv6) {
    if (payload.size() < kHeaderSize) return std::unexpected(HmacReject::Length);
    const std::size_t size = messageSize(payload[0] >> 4, ipv6, payload[3]);
    if (payload.size() == size) return std::unexpected(HmacReject::Missing);
    if (payload.size() != size + kHmacTrailerSize) return std::unexpected(HmacReject::Length);
    return SealedMessage{.message = payload.first(size), .trailer = payload.subspan(size)};
}

std::size_t HmacAuthenticator::seal(std::span<std::uint8_t> buffer, std::size_t size, const address& source,
                                    Sequence sequence) const {
    if (size < kHeaderSize || buffer.size() < size || buffer.size() - size < kHmacTrailerSize) return 0;
    const std::span<std::uint8_t> trailer = buffer.subspan(size, kHmacTrailerSize);
    const HmacKey& key = keys_.front();
    trailer[0] = kSchemeSha256;
    trailer[kKeyIdAt] = key.id();
    trailer[kReservedAt] = trailer[kReservedAt + 1] = 0;
    for (std::size_t i = 0; i < sizeof sequence.value; ++i)
        trailer[kSequenceAt + i] = static_cast<std::uint8_t>(sequence.value >> (56 - 8 * i));
    const Digest mac =
        digest(key.inner_, key.outer_, {.message = buffer.first(size), .trailer = trailer}, source);
    std::copy_n(mac.begin(), kMacSize, trailer.begin() + kMacAt);
    return size + kHmacTrailerSize;
}

std::expected<Sequence, HmacReject> HmacAuthenticator::verify(const SealedMessage& sealed,
                                                              const address& source) const {
    const Bytes trailer = sealed.trailer;
    if (sealed.message.size() < kHeaderSize || trailer.size() != kHmacTrailerSize)
        return std::unexpected(HmacReject::Length);
    if (trailer[0] != kSchemeSha256 || trailer[kReservedAt] != 0 || trailer[kReservedAt + 1] != 0)
        return std::unexpected(HmacReject::Scheme);
    const auto key = std::ranges::find(keys_, trailer[kKeyIdAt], &HmacKey::id);
    if (key == keys_.end()) return std::unexpected(HmacReject::KeyId);
    const Digest mac = digest(key->inner_, key->outer_, sealed, source);
    if (CRYPTO_memcmp(mac.data(), trailer.data() + kMacAt, kMacSize) != 0)
        return std::unexpected(HmacReject::Mac);
    Sequence sequence;
    for (std::size_t i = 0; i < sizeof sequence.value; ++i)
        sequence.value = sequence.value << 8 | trailer[kSequenceAt + i];
    return sequence;
}

const char* toString(HmacReject reason) {
    switch (reason) {
        case HmacReject::Missing:
            return "hmacMissing";
        case HmacReject::Length:
            return "hmacLength";
        case HmacReject::Scheme:
            return "hmacScheme";
        case HmacReject::KeyId:
            return "hmacKeyID";
        case HmacReject::Mac:
            return "hmac";
    }
    return "?";
}

const char* describe(HmacReject reason) {
    switch (reason) {
        case HmacReject::Missing:
            return "it is not authenticated: set vrrp.authentication alike everywhere";
        case HmacReject::Length:
            return "its length fits neither its number of addresses nor that and an HMAC";
        case HmacReject::Scheme:
            return "its HMAC is of a kind that is not known here";
        case HmacReject::KeyId:
            return "its HMAC was made with a key whose id is not in our key file";
        case HmacReject::Mac:
            return "its HMAC is wrong: the keys of this id differ, or it is forged";
    }
    return "?";
}

}  // namespace fairlead::vrrp
