#pragma once
// Makes the IP datagrams that a raw socket would deliver, so that the tests speak to decode() as the network
// does.

#include <boost/asio/ip/address_v4.hpp>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "agent/vrrp/packet.h"

namespace fairlead::vrrp::test {

using boost::asio::ip::address_v4;
using boost::asio::ip::make_address_v4;
using Bytes = std::vector<std::uint8_t>;

/// "2133 6400" → bytes; blanks are ignored.
inline Bytes hex(std::string_view text) {
    const auto digit = [](char c) { return static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); };
    Bytes bytes;
    int high = -1;
    for (const char c : text) {
        if (c == ' ') continue;
        if (high < 0) {
            high = digit(c);
        } else {
            bytes.push_back(static_cast<std::uint8_t>(high << 4 | digit(c)));
            high = -1;
        }
    }
    return bytes;
}

struct IpHeader {
    const char* source = "10.9.0.2";
    const char* destination = "224.0.0.18";
    std::uint8_t timeToLive = 255;
    std::uint8_t protocol = 112;
    std::size_t optionBytes = 0;  ///< a multiple of 4, no-operation options
    std::uint16_t fragment = 0;
};

inline Bytes datagram(const Bytes& message, const IpHeader& ip = {}) {
    const std::size_t header = 20 + ip.optionBytes;
    const std::size_t total = header + message.size();
    Bytes bytes(header, 1);
    bytes[0] = static_cast<std::uint8_t>(0x40 | header / 4);
    bytes[1] = 0xC0;
    bytes[2] = static_cast<std::uint8_t>(total >> 8);
    bytes[3] = static_cast<std::uint8_t>(total);
    bytes[6] = static_cast<std::uint8_t>(ip.fragment >> 8);
    bytes[7] = static_cast<std::uint8_t>(ip.fragment);
    bytes[8] = ip.timeToLive;
    bytes[9] = ip.protocol;
    std::ranges::copy(make_address_v4(ip.source).to_bytes(), bytes.begin() + 12);
    std::ranges::copy(make_address_v4(ip.destination).to_bytes(), bytes.begin() + 16);
    bytes.insert(bytes.end(), message.begin(), message.end());
    return bytes;
}

/// Sets the checksum of a message right, over the message alone or with the pseudo header of `ip`.
inline Bytes withChecksum(Bytes message, const IpHeader* pseudo = nullptr) {
    message[6] = message[7] = 0;
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < message.size(); ++i)
        sum += static_cast<std::uint32_t>(message[i]) << (i % 2 == 0 ? 8 : 0);
    if (pseudo) {
        for (const char* text : {pseudo->source, pseudo->destination}) {
            const std::uint32_t address = make_address_v4(text).to_uint();
            sum += (address >> 16) + (address & 0xFFFF);
        }
        sum += pseudo->protocol + static_cast<std::uint32_t>(message.size());
    }
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    message[6] = static_cast<std::uint8_t>(~sum >> 8);
    message[7] = static_cast<std::uint8_t>(~sum);
    return message;
}

}  // namespace fairlead::vrrp::test
