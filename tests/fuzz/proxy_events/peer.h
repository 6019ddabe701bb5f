#pragma once
// One end of a TCP connection through the proxy, a client's or a server's, and the ledger of what it sent,
// got and was told. Every peer sends a stream of its own, which begins with its number, so that whoever gets
// the bytes knows whose they are and what must follow. Nothing here waits.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "lb/proxy/socket.h"

namespace fairlead::fuzz {

/// Says what is wrong and aborts, which is how libFuzzer hears of it.
[[noreturn]] void violated(std::string_view what);
inline void require(bool condition, std::string_view what) {
    if (!condition) violated(what);
}

struct Peer {
    static constexpr int kNobody = -1;
    /// Of the PROXY protocol, over IPv4.
    static constexpr std::size_t kHeaderSize = 28;

    /// `number` below 256; `socket` connected.
    Peer(int n, lb::Descriptor s) : number(n), socket(std::move(s)) {}

    /// As much of `count` bytes as finds room.
    void send(std::size_t count);
    /// At most `count` bytes of what has come, which must be what its other side sent; or that side's end.
    /// Returns whether there was anything.
    bool receive(std::size_t count);
    void finish();  ///< its FIN, behind what it sent
    void close();   ///< the kernel resets the connection if something was left unread or comes later
    void reset();

    /// Nothing more is to be had.
    [[nodiscard]] bool over() const { return !socket || sawEnd || error != 0; }

    int number;
    lb::Descriptor socket;
    int other = kNobody;  ///< the number that the bytes it got begin with
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    bool finSent = false;
    bool gone = false;           ///< by close() or reset()
    bool sawEnd = false;         ///< the other side's FIN
    int error = 0;               ///< errno that told it of a broken connection
    std::size_t headerLeft = 0;  ///< bytes of a PROXY protocol header that are still to come
    std::array<std::uint8_t, kHeaderSize> header{};

  private:
    void broken();
    bool receiveHeader();
    void verify(std::string_view bytes);
};

}  // namespace fairlead::fuzz
