#pragma once
// What is to be done if the agent dies: kept in memory that it shares with its guardian
// (agent/guard/guardian.h). The election thread writes it, without a lock, an allocation or a system call;
// the guardian reads it after the agent's death. Each virtual router has two slots: a new will is written
// into the one that isn't valid, which becomes so by one store at the end. So an agent that dies in the
// middle leaves its previous will.

#include <boost/asio/ip/address.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace fairlead::guard {

inline constexpr std::size_t kRouters = 2;  ///< one per address family
inline constexpr std::size_t kMaxVips = 20;
inline constexpr std::size_t kMaxMessages = 16;  ///< unicast has one for each peer
inline constexpr std::size_t kMaxDestinations = 16;
inline constexpr std::size_t kMaxMessageSize = 1200;
inline constexpr std::uint8_t kMaxRepeat = 10;

enum class Protocol : std::uint8_t { Udp = 17, Vrrp = 112 };

struct Destination {
    boost::asio::ip::address address;
    std::uint16_t port = 0;  ///< UDP only
};

/// To be sent as it is, but for the IP header (and the UDP header, from a port of the kernel's choice).
struct Message {
    Protocol protocol = Protocol::Vrrp;
    boost::asio::ip::address source;  ///< an address that the host keeps; destinations are of its family
    std::span<const Destination> destinations;
    std::span<const std::uint8_t> bytes;  ///< checksum included
    std::uint8_t repeat = 3;              ///< sent so many times in a row
};

struct Will {
    int interfaceIndex = 0;  ///< where the VIPs are, and where multicast goes out
    std::span<const boost::asio::ip::address> vips;
    std::span<const Message> messages;
};

/// A will as the guardian reads it: plain bytes, bounded by what it declares.
struct PlainAddress {
    std::uint8_t family = 0;               ///< AF_INET or AF_INET6
    std::array<std::uint8_t, 16> bytes{};  ///< network order; of IPv4 the first four
};
struct PlainDestination {
    PlainAddress address;
    std::uint16_t port = 0;
};
struct PlainMessage {
    Protocol protocol = Protocol::Vrrp;
    std::uint8_t repeat = 0;
    std::uint16_t destinationCount = 0;
    std::uint16_t size = 0;
    PlainAddress source;
    std::array<PlainDestination, kMaxDestinations> destinations{};
    std::array<std::uint8_t, kMaxMessageSize> bytes{};
};
struct PlainWill {
    std::int32_t interfaceIndex = 0;  ///< 0: there is no will
    std::uint16_t vipCount = 0;
    std::uint16_t messageCount = 0;
    std::array<PlainAddress, kMaxVips> vips{};
    std::array<PlainMessage, kMaxMessages> messages{};
};

class Testament {
  public:
    /// Make it before the fork that is to share it. Throws std::runtime_error.
    Testament();
    ~Testament();
    Testament(const Testament&) = delete;
    Testament& operator=(const Testament&) = delete;

    /// From now on `will` holds. What exceeds the bounds above, and destinations of another family than the
    /// source, are left out; returns whether nothing was. One
    /// thread writes. `router` is below kRouters.
    bool write(std::size_t router, const Will& will);

    /// Nothing is to be done for `router` any more.
    void clear(std::size_t router);

    /// The last will that was written completely; nothing if there is none. Meant for after the writer's
    /// death; safe, but perhaps in vain, while it is writing.
    [[nodiscard]] std::optional<PlainWill> read(std::size_t router) const;

  private:
    struct Shared;

    void publish(std::size_t router);

    Shared* shared_;
    PlainWill draft_;  ///< so that the writer's stack doesn't grow by its size
};

}  // namespace fairlead::guard
