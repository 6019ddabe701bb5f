#include "tests/fuzz/proxy_events/peer.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace fairlead::fuzz {
namespace {

constexpr std::size_t kBlock = (std::size_t{1} << 20U) + 7;

const std::string& block() {
    static const std::string bytes = [] {
        std::string made(kBlock, '\0');
        std::mt19937 random(1);
        for (char& byte : made)
            byte = static_cast<char>(random());
        return made;
    }();
    return bytes;
}

/// Some bytes of a peer's stream from `position` on, 1 to `most` of them. Its first byte isn't in the block.
std::string_view streamOf(int number, std::uint64_t position, std::size_t most) {
    const std::size_t at = (static_cast<std::size_t>(number) * 7919 + position) % kBlock;
    return std::string_view(block()).substr(at, most);
}

}  // namespace

void violated(std::string_view what) {
    std::cerr << "violated: " << what << std::endl;
    std::abort();
}

void Peer::broken() {
    error = errno;
}

void Peer::send(std::size_t count) {
    if (!socket || finSent || error != 0) return;
    while (count > 0) {
        const char first = static_cast<char>(number);
        const std::string_view bytes =
            sent == 0 ? std::string_view(&first, 1) : streamOf(number, sent, count);
        const ssize_t n = ::send(socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN) broken();
            return;
        }
        sent += static_cast<std::uint64_t>(n);
        count -= static_cast<std::size_t>(n);
    }
}

bool Peer::receiveHeader() {
    while (headerLeft > 0) {
        const ssize_t n =
            recv(socket.get(), header.data() + (kHeaderSize - headerLeft), headerLeft, MSG_DONTWAIT);
        if (n > 0) {
            headerLeft -= static_cast<std::size_t>(n);
            continue;
        }
        if (n == 0) {
            require(headerLeft == kHeaderSize, "a header was cut short");
            sawEnd = true;
        } else if (errno != EAGAIN) {
            broken();
        }
        return over();
    }
    return true;
}

void Peer::verify(std::string_view bytes) {
    if (bytes.empty()) return;
    if (received == 0) {
        other = static_cast<unsigned char>(bytes.front());
        received = 1;
        bytes.remove_prefix(1);
    }
    while (!bytes.empty()) {
        const std::string_view expected = streamOf(other, received, bytes.size());
        require(bytes.starts_with(expected), "a byte isn't what was sent");
        received += expected.size();
        bytes.remove_prefix(expected.size());
    }
}

bool Peer::receive(std::size_t count) {
    static std::array<char, 65536> buffer;
    if (over() || (headerLeft > 0 && !receiveHeader()) || over()) return false;
    bool any = false;
    while (count > 0) {
        const ssize_t n = recv(socket.get(), buffer.data(), std::min(buffer.size(), count), MSG_DONTWAIT);
        if (n == 0) sawEnd = true;
        if (n < 0 && errno != EAGAIN) broken();
        if (n <= 0) return any || over();
        any = true;
        verify({buffer.data(), static_cast<std::size_t>(n)});
        count -= static_cast<std::size_t>(n);
    }
    return any;
}

void Peer::finish() {
    if (!socket || finSent || error != 0) return;
    finSent = true;
    if (shutdown(socket.get(), SHUT_WR) != 0) broken();
}

void Peer::close() {
    if (!socket) return;
    gone = true;
    finSent = true;
    socket.close();
}

void Peer::reset() {
    if (!socket) return;
    gone = true;
    socket.reset();
}

}  // namespace fairlead::fuzz
