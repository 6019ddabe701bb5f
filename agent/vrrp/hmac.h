#pragma once
// Authenticated advertisements: the trailer that keepalived's auth_hmac (since 2.4.2) and
// draft-cassen-vrrp-auth-hmac append to a VRRP message, byte for byte in docs/authentication.md. Pure and
// without allocation once the keys are made; used on the election thread and by the fuzzer.
//
// Whether what verifies is new is another question: agent/vrrp/replay_window.h.

#include <boost/asio/ip/address.hpp>
#include <boost/container/static_vector.hpp>
#include <openssl/sha.h>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>

#include "agent/vrrp/sequence.h"

namespace fairlead::vrrp {

inline constexpr std::size_t kHmacTrailerSize = 28;
inline constexpr std::size_t kHmacKeyMin = 32;
inline constexpr std::size_t kHmacKeyMax = 64;
/// The one that signs and, while keys are being changed, the one before or after it.
inline constexpr std::size_t kHmacMaxKeys = 2;

enum class HmacReject : std::uint8_t {
    Missing,  ///< there is no trailer
    Length,   ///< neither a message nor a message with its trailer
    Scheme,
    KeyId,
    Mac,
};
inline constexpr std::size_t kHmacRejects = static_cast<std::size_t>(HmacReject::Mac) + 1;

/// A label, as of fairlead_vrrp_packets_rejected_total{reason}.
const char* toString(HmacReject reason);
/// One phrase for the log.
const char* describe(HmacReject reason);

/// A secret made ready: of it only the two states of SHA-256 that HMAC begins with are kept (RFC 2104), and
/// wiped at the end.
class HmacKey {
  public:
    /// The error says what is wrong with the id or the length.
    static std::expected<HmacKey, std::string> make(unsigned id, std::span<const std::uint8_t> secret);

    HmacKey(const HmacKey&) = default;
    HmacKey& operator=(const HmacKey&) = default;
    ~HmacKey();

    [[nodiscard]] std::uint8_t id() const { return id_; }
    /// Made of the same id and secret.
    bool operator==(const HmacKey& other) const;

  private:
    friend class HmacAuthenticator;
    HmacKey() = default;

    std::uint8_t id_ = 0;
    SHA256_CTX inner_{};
    SHA256_CTX outer_{};
};

/// The first signs, each verifies; of different ids.
using HmacKeys = boost::container::static_vector<HmacKey, kHmacMaxKeys>;

/// An IP payload taken apart.
struct SealedMessage {
    std::span<const std::uint8_t> message;  ///< what the VRRP checksum over IPv4 covers
    std::span<const std::uint8_t> trailer;  ///< kHmacTrailerSize bytes
};

/// Where the message ends by its own version and count: 8 bytes and the addresses, in version 2 over IPv4 8
/// bytes more.
std::expected<SealedMessage, HmacReject> splitTrailer(std::span<const std::uint8_t> payload, bool ipv6);

class HmacAuthenticator {
  public:
    /// At least one key.
    explicit HmacAuthenticator(const HmacKeys& keys) : keys_(keys) { assert(!keys.empty()); }

    /// Appends the trailer to the message of `size` bytes (at least a VRRP header) at the start of `buffer`
    /// and returns the new size; 0 if there is no room. The message's checksum may be set before or after.
    [[nodiscard]] std::size_t seal(std::span<std::uint8_t> buffer, std::size_t size,
                                   const boost::asio::ip::address& source, Sequence sequence) const;

    /// The sequence number of a message that a holder of one of our keys has sent from that source. That its
    /// version and virtual router are ours has to be checked as without authentication.
    [[nodiscard]] std::expected<Sequence, HmacReject> verify(const SealedMessage& sealed,
                                                             const boost::asio::ip::address& source) const;

  private:
    HmacKeys keys_;
};

}  // namespace fairlead::vrrp
