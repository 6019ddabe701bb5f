#pragma once
// What the clients and the server of the benchmarks have agreed on, and what the clients share.

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <system_error>
#include <vector>

namespace fairlead::bench {

/// Of a request; its first eight bytes are the size of the answer, in the machine's own order.
inline constexpr std::size_t kRequestSize = 128;

inline sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

/// 0 of nothing.
inline float percentile(const std::vector<float>& sorted, double part) {
    if (sorted.empty()) return 0;
    return sorted[std::min(sorted.size() - 1,
                           static_cast<std::size_t>(part * static_cast<double>(sorted.size())))];
}

/// A benchmark that can't go on has no result.
inline int check(int result, const char* what) {
    if (result < 0) {
        std::cerr << what << ": " << std::generic_category().message(errno) << std::endl;
        std::_Exit(1);
    }
    return result;
}

}  // namespace fairlead::bench
