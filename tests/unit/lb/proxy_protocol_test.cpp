// Byte for byte as HAProxy's doc/proxy-protocol.txt, section 2.2, has it.

#include "lb/proxy_protocol.h"

#include <gtest/gtest.h>

#include <string>

namespace fairlead::lb {
namespace {

std::string hex(const ProxyHeader& header) {
    static const char* const kDigits = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : header.bytes()) {
        text += kDigits[byte >> 4U];
        text += kDigits[byte & 15U];
    }
    return text;
}

const std::string kSignature = "0d0a0d0a000d0a515549540a";

TEST(ProxyHeader, OverIpv4) {
    EXPECT_EQ(hex(ProxyHeader::of(*parseEndpoint("10.10.1.20:40112"), *parseEndpoint("10.10.1.108:16443"))),
              kSignature + "21" + "11" + "000c" + "0a0a0114" + "0a0a016c" + "9cb0" + "403b");
}

TEST(ProxyHeader, OverIpv6) {
    EXPECT_EQ(hex(ProxyHeader::of(*parseEndpoint("[2001:db8::1]:65535"), *parseEndpoint("[fd00::108]:443"))),
              kSignature + "21" + "21" + "0024" + "20010db8000000000000000000000001" +
                  "fd000000000000000000000000000108" + "ffff" + "01bb");
}

TEST(ProxyHeader, AMappedAddressIsIpv4WhereBothAre) {
    const std::string plain =
        hex(ProxyHeader::of(*parseEndpoint("10.10.1.20:1"), *parseEndpoint("10.10.1.108:2")));
    for (const char* source : {"10.10.1.20:1", "[::ffff:10.10.1.20]:1"}) {
        for (const char* destination : {"10.10.1.108:2", "[::ffff:10.10.1.108]:2"})
            EXPECT_EQ(hex(ProxyHeader::of(*parseEndpoint(source), *parseEndpoint(destination))), plain);
    }
}

TEST(ProxyHeader, BesideAnIpv6AddressAnIpv4OneIsMapped) {
    EXPECT_EQ(hex(ProxyHeader::of(*parseEndpoint("10.10.1.20:1"), *parseEndpoint("[fd00::108]:2"))),
              kSignature + "21" + "21" + "0024" + "00000000000000000000ffff0a0a0114" +
                  "fd000000000000000000000000000108" + "0001" + "0002");
}

TEST(ProxyHeader, OfAProbe) {
    EXPECT_EQ(hex(ProxyHeader::local()), kSignature + "20" + "00" + "0000");
}

}  // namespace
}  // namespace fairlead::lb
