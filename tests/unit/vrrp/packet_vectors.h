#pragma once
// Golden vectors of VRRP messages over IPv4, the options of a router that takes them, and that router as a
// receiver.

#include <gtest/gtest.h>

#include <expected>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/vrrp/packet.h"
#include "tests/unit/vrrp/datagram.h"

namespace fairlead::vrrp::test {

using namespace std::chrono_literals;

// VRID 51, priority 100, VIP 10.9.0.100, source 10.9.0.2; the first ones are byte-equal with keepalived's.
inline constexpr const char* kV2 = "213364010001705d 0a090064 0000000000000000";
inline constexpr const char* kV2Pass = "21336401010101df 0a090064 7365637265743132";
inline constexpr const char* kV2Resign = "213300010001d45d 0a090064 0000000000000000";
inline constexpr const char* kV3 = "3133640100647560 0a090064";
inline constexpr const char* kV3Centisecond = "31336401000175c3 0a090064";
inline constexpr const char* kV3MessageOnly = "3133640100645ffa 0a090064";
inline constexpr const char* kV3Unicast = "3133640100644b69 0a090064";

inline RouterOptions version2() {
    return {.version = 2,
            .virtualRouterId = 51,
            .priority = 100,
            .advertInterval = 1s,
            .addresses = {make_address_v4("10.9.0.100")}};
}

inline RouterOptions version2Pass() {
    RouterOptions options = version2();
    options.authentication = Authentication::Pass;
    options.password = "secret12";
    return options;
}

inline RouterOptions version3() {
    RouterOptions options = version2();
    options.version = 3;
    return options;
}

inline Bytes encoded(const RouterOptions& options, std::uint8_t priority = 100,
                     const char* destination = "224.0.0.18") {
    Bytes message(kMaxMessageSize, 0xEE);
    const std::size_t size = encode(std::span<std::uint8_t, kMaxMessageSize>(message), options, priority,
                                    make_address_v4("10.9.0.2"), make_address_v4(destination));
    message.resize(size);
    return message;
}

class Receiver {
  public:
    explicit Receiver(RouterOptions options) : options_(std::move(options)) {}

    std::expected<Advertisement, RejectReason> operator()(const Bytes& datagram) const {
        return decode(datagram,
                      {.options = options_, .primary = make_address_v4("10.9.0.1"), .addresses = addresses});
    }

    std::vector<InterfaceAddress> addresses{{.address = make_address_v4("10.9.0.1"), .prefixLength = 24}};

  private:
    RouterOptions options_;
};

inline void expectRejected(const Receiver& receiver, const Bytes& datagram, RejectReason reason) {
    const auto result = receiver(datagram);
    ASSERT_FALSE(result.has_value()) << "accepted, not rejected as " << toString(reason);
    EXPECT_STREQ(toString(result.error()), toString(reason));
}

}  // namespace fairlead::vrrp::test
