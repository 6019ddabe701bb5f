// Sends frames into an interface as fast as one thread can, for a bounded time: what a host that has gone
// mad, or means it, sends into the LAN. Meant for an interface of a test's own.
//
//   bench_flood --interface eth0 --seconds 5 <FRAMES     a whole Ethernet frame in hex on each line, sent in
//   turn
//
// Prints "SENT SECONDS": how many frames the interface took, and in which time.

#include <CLI/CLI.hpp>
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "tests/bench/load.h"

namespace fairlead::bench {
namespace {

using Frame = std::vector<std::uint8_t>;

constexpr std::size_t kBatch = 512;

std::vector<Frame> readFrames(std::istream& in) {
    std::vector<Frame> frames;
    for (std::string line; std::getline(in, line);) {
        Frame frame;
        for (std::size_t at = 0; at + 1 < line.size(); at += 2)
            frame.push_back(static_cast<std::uint8_t>(std::stoul(line.substr(at, 2), nullptr, 16)));
        if (frame.size() >= ETH_HLEN) frames.push_back(std::move(frame));
    }
    return frames;
}

int openInterface(const std::string& name) {
    const int fd = check(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "socket");
    const sockaddr_ll address{.sll_family = AF_PACKET,
                              .sll_protocol = 0,
                              .sll_ifindex = static_cast<int>(if_nametoindex(name.c_str()))};
    check(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), name.c_str());
    const int on = 1;
    check(setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on), "PACKET_QDISC_BYPASS");
    return fd;
}

int run(const std::string& interface, std::chrono::duration<double> length) {
    std::vector<Frame> frames = readFrames(std::cin);
    if (frames.empty()) {
        std::cerr << "no frames on standard input" << std::endl;
        return 1;
    }
    const int fd = openInterface(interface);
    std::vector<iovec> parts;
    for (Frame& frame : frames)
        parts.push_back({.iov_base = frame.data(), .iov_len = frame.size()});
    std::vector<mmsghdr> batch(std::max(kBatch, parts.size()));
    for (std::size_t i = 0; i < batch.size(); ++i) {
        batch[i].msg_hdr.msg_iov = &parts[i % parts.size()];
        batch[i].msg_hdr.msg_iovlen = 1;
    }
    std::uint64_t sent = 0;
    std::size_t next = 0;
    const auto start = std::chrono::steady_clock::now();
    std::chrono::duration<double> took{};
    do {
        const std::size_t count = std::min(kBatch, batch.size() - next);
        const int taken = sendmmsg(fd, &batch[next], static_cast<unsigned>(count), 0);
        if (taken > 0) {
            sent += static_cast<std::uint64_t>(taken);
            next = (next + static_cast<std::size_t>(taken)) % batch.size();
        } else if (errno != ENOBUFS && errno != EAGAIN) {
            check(taken, "sendmmsg");
        }
        took = std::chrono::steady_clock::now() - start;
    } while (took < length);
    std::cout << sent << ' ' << took.count() << std::endl;
    return 0;
}

}  // namespace
}  // namespace fairlead::bench

int main(int argc, char** argv) {
    CLI::App app("Sends frames as fast as it can");
    std::string interface;
    double seconds = 1;
    app.add_option("--interface", interface)->required();
    app.add_option("--seconds", seconds)->check(CLI::Range(0.0, 60.0));
    CLI11_PARSE(app, argc, argv);
    return fairlead::bench::run(interface, std::chrono::duration<double>(seconds));
}
