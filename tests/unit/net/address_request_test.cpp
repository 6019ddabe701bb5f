// The bytes of an order to the kernel, read as rtnetlink(7) has them.

#include "agent/net/address_request.h"

#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>
#include <map>
#include <vector>

namespace fairlead::net {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::make_address;
using Bytes = std::vector<std::byte>;

template <class Value>
Value at(std::span<const std::byte> bytes, std::size_t offset = 0) {
    Value value{};
    EXPECT_LE(offset + sizeof value, bytes.size());
    if (offset + sizeof value <= bytes.size()) std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

/// What the kernel finds in it.
struct Order {
    explicit Order(const AddressRequest& request) {
        const auto bytes = request.bytes();
        header = at<nlmsghdr>(bytes);
        EXPECT_EQ(header.nlmsg_len, bytes.size());
        body = at<ifaddrmsg>(bytes, NLMSG_HDRLEN);
        for (std::size_t offset = NLMSG_LENGTH(sizeof body); offset < bytes.size();) {
            const auto attribute = at<rtattr>(bytes, offset);
            if (attribute.rta_len < RTA_LENGTH(0) || offset + attribute.rta_len > bytes.size()) {
                ADD_FAILURE() << "an attribute reaches beyond its message";
                return;
            }
            const auto value = bytes.subspan(offset + RTA_LENGTH(0), attribute.rta_len - RTA_LENGTH(0));
            attributes[attribute.rta_type] = Bytes(value.begin(), value.end());
            offset += RTA_ALIGN(attribute.rta_len);
        }
    }

    nlmsghdr header{};
    ifaddrmsg body{};
    std::map<int, Bytes> attributes;
};

TEST(AddressRequest, AddsAnIpv4VipThatEndsByItselfAndBringsNoRoute) {
    const Order order(AddressRequest::add(make_address("10.9.0.100"), 7, 3s));
    EXPECT_EQ(order.header.nlmsg_type, RTM_NEWADDR);
    EXPECT_EQ(order.header.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
    EXPECT_EQ(order.body.ifa_family, AF_INET);
    EXPECT_EQ(order.body.ifa_prefixlen, 32);
    EXPECT_EQ(order.body.ifa_index, 7U);
    EXPECT_EQ(order.attributes.at(IFA_LOCAL),
              (Bytes{std::byte{10}, std::byte{9}, std::byte{0}, std::byte{100}}));
    EXPECT_EQ(at<std::uint32_t>(order.attributes.at(IFA_FLAGS)), std::uint32_t{IFA_F_NOPREFIXROUTE});
    const auto lifetimes = at<ifa_cacheinfo>(order.attributes.at(IFA_CACHEINFO));
    EXPECT_EQ(lifetimes.ifa_valid, 3U);
    EXPECT_EQ(lifetimes.ifa_prefered, 3U);
    EXPECT_EQ(at<std::uint8_t>(order.attributes.at(IFA_PROTO)), kAddressProtocol);
}

TEST(AddressRequest, AddsAnIpv6VipDeprecatedAndWithoutDuplicateDetection) {
    const Order order(AddressRequest::add(make_address("fe80::100"), 7, 3s));
    EXPECT_EQ(order.body.ifa_family, AF_INET6);
    EXPECT_EQ(order.body.ifa_prefixlen, 128);
    EXPECT_EQ(order.attributes.at(IFA_LOCAL).size(), 16U);
    EXPECT_EQ(at<std::uint32_t>(order.attributes.at(IFA_FLAGS)),
              std::uint32_t{IFA_F_NOPREFIXROUTE | IFA_F_NODAD});
    const auto lifetimes = at<ifa_cacheinfo>(order.attributes.at(IFA_CACHEINFO));
    EXPECT_EQ(lifetimes.ifa_valid, 3U);
    EXPECT_EQ(lifetimes.ifa_prefered, 0U) << "never the source of this host's own connections";
}

TEST(AddressRequest, RemovesByTheAddressAloneWhateverItsPrefix) {
    const Order order(AddressRequest::remove(make_address("10.9.0.100"), 7));
    EXPECT_EQ(order.header.nlmsg_type, RTM_DELADDR);
    EXPECT_EQ(order.body.ifa_prefixlen, 0);
    EXPECT_EQ(order.attributes.size(), 1U);
    EXPECT_EQ(Order(AddressRequest::remove(make_address("fe80::100"), 7)).body.ifa_prefixlen, 128);
}

TEST(AddressRequest, IsToldFromOthersByItsNumber) {
    AddressRequest request = AddressRequest::add(make_address("10.9.0.100"), 7, 3s);
    const Order before(request);
    request.setSequence(0xFEEDBEEF);
    const Order after(request);
    EXPECT_EQ(after.header.nlmsg_seq, 0xFEEDBEEF);
    EXPECT_EQ(after.attributes, before.attributes);
}

}  // namespace
}  // namespace fairlead::net
