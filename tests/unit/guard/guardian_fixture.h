#pragma once
// Two network namespaces of the test's own, joined by a veth pair: on the host an agent that dies, on the
// peer an ear. The namespaces have no name and go with the test.

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "tests/unit/await.h"
#include "tests/unit/guard/agent_process.h"
#include "tests/unit/net/lab.h"

namespace fairlead::guard {

using fairlead::test::await;

inline std::string run(const std::string& command) {
    std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    std::string output;
    std::array<char, 4096> part{};
    while (const std::size_t size = std::fread(part.data(), 1, part.size(), pipe))
        output.append(part.data(), size);
    EXPECT_EQ(pclose(pipe), 0) << command << ": " << output;
    return output;
}

class GuardianTest : public testing::Test {
  protected:
    void SetUp() override {
        REQUIRE_ROOT();
        prctl(PR_SET_CHILD_SUBREAPER, 1);  // a guardian that outlives its agent is ours to reap
        home_ = space();
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        const Descriptor peer = space();
        run("ip link set lo up");
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        const Descriptor host = space();
        run("ip link set lo up");
        run("ip link add eth0 type veth peer name eth0 netns /proc/" + std::to_string(getpid()) + "/fd/" +
            std::to_string(peer.get()));
        run("ip address add 10.9.0.1/24 dev eth0 && ip address add fd09::1/64 dev eth0 nodad && "
            "ip link set eth0 up");
        setns(peer.get(), CLONE_NEWNET);
        run("ip address add 10.9.0.2/24 dev eth0 && ip address add fd09::2/64 dev eth0 nodad && "
            "ip link set eth0 up");
        openEars();
        setns(host.get(), CLONE_NEWNET);
        ASSERT_TRUE(await([] { return run("ip link show eth0").find("state UP") != std::string::npos; }));
        // IPv6 is there a moment after the carrier, on either side: neighbour discovery shows it.
        ASSERT_TRUE(await([] {
            return run("ping -6 -c 1 -W 1 fd09::2 2>&1 || true").find(" 0% packet loss") != std::string::npos;
        }));
    }
    void TearDown() override {
        if (home_) setns(home_.get(), CLONE_NEWNET);
    }

    static Descriptor space() { return Descriptor(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)); }

    void openEars() {
        const int on = 1;
        const int index = static_cast<int>(if_nametoindex("eth0"));
        ear4 = Descriptor(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 112));
        const ip_mreqn group4{.imr_multiaddr = {inet_addr("224.0.0.18")}, .imr_ifindex = index};
        ASSERT_EQ(setsockopt(ear4.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group4, sizeof group4), 0);
        ear6 = Descriptor(socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, 112));
        ipv6_mreq group6{.ipv6mr_multiaddr = {}, .ipv6mr_interface = static_cast<unsigned>(index)};
        inet_pton(AF_INET6, "ff02::12", &group6.ipv6mr_multiaddr);
        ASSERT_EQ(setsockopt(ear6.get(), IPPROTO_IPV6, IPV6_JOIN_GROUP, &group6, sizeof group6), 0);
        setsockopt(ear6.get(), IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on);
        earUdp = Descriptor(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_in any{.sin_family = AF_INET, .sin_port = htons(kPort), .sin_addr = {INADDR_ANY}};
        ASSERT_EQ(bind(earUdp.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
    }

    static void addVips() {
        for (const char* vip : {"10.9.0.100/32", "10.9.0.101/32", "fd09::100/128"})
            run(std::string("ip address add ") + vip + " dev eth0 noprefixroute");
    }
    static int vips() {
        const std::string text = run("ip -o address show dev eth0");
        int count = 0;
        for (const char* vip : {" 10.9.0.100/32", " 10.9.0.101/32", " fd09::100/128"})
            count += text.find(vip) != std::string::npos ? 1 : 0;
        return count;
    }
    /// The agent holds what it would in real life.
    static void hold(AgentProcess& process) {
        addVips();
        ASSERT_EQ(process.ask('h'), "holding");
    }

    struct Heard {
        std::vector<std::uint8_t> bytes;
        sockaddr_in6 from{};
        int hops = -1;  ///< IPv6
    };
    static Heard hear(const Descriptor& ear, int patience = 20000) {
        Heard heard{.bytes = std::vector<std::uint8_t>(2048)};
        pollfd ready{.fd = ear.get(), .events = POLLIN, .revents = 0};
        if (poll(&ready, 1, patience) != 1) return {};
        alignas(cmsghdr) std::array<std::uint8_t, 256> control{};
        iovec data{.iov_base = heard.bytes.data(), .iov_len = heard.bytes.size()};
        msghdr header{.msg_name = &heard.from,
                      .msg_namelen = sizeof heard.from,
                      .msg_iov = &data,
                      .msg_iovlen = 1,
                      .msg_control = control.data(),
                      .msg_controllen = control.size(),
                      .msg_flags = 0};
        const ssize_t size = recvmsg(ear.get(), &header, 0);
        heard.bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
        for (cmsghdr* item = CMSG_FIRSTHDR(&header); item; item = CMSG_NXTHDR(&header, item)) {
            if (item->cmsg_type == IPV6_HOPLIMIT)
                std::memcpy(&heard.hops, CMSG_DATA(item), sizeof heard.hops);
        }
        return heard;
    }
    void expectSilence() const {
        EXPECT_TRUE(hear(ear4, 0).bytes.empty());
        EXPECT_TRUE(hear(ear6, 0).bytes.empty());
        EXPECT_TRUE(hear(earUdp, 0).bytes.empty());
    }
    void expectEverything() const {
        for (int i = 0; i < kRepeat; ++i) {
            const Heard four = hear(ear4);
            ASSERT_EQ(four.bytes.size(), 20 + kV4.size());
            EXPECT_EQ(four.bytes[1], 0xC0);
            EXPECT_EQ(four.bytes[8], 255);
            EXPECT_THAT(std::span(four.bytes).subspan(12, 8),
                        testing::ElementsAre(10, 9, 0, 1, 224, 0, 0, 18));
            EXPECT_THAT(std::span(four.bytes).subspan(20), testing::ElementsAreArray(kV4));
            const Heard six = hear(ear6);
            EXPECT_EQ(six.bytes, kV6);
            EXPECT_EQ(six.hops, 255);
            in6_addr source{};
            inet_pton(AF_INET6, "fd09::1", &source);
            EXPECT_TRUE(IN6_ARE_ADDR_EQUAL(&six.from.sin6_addr, &source));
        }
        EXPECT_EQ(hear(earUdp).bytes, kUdp);
        EXPECT_EQ(vips(), 0);
        expectSilence();
    }

    Descriptor ear4, ear6, earUdp;

  private:
    Descriptor home_;
};

}  // namespace fairlead::guard
