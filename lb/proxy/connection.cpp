#include "lb/proxy/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace fairlead::lb {
namespace {

/// A connection may move this many scratch buffers before the others have their turn.
constexpr int kSharePerTurn = 8;

enum class Written : std::uint8_t { All, Blocked, Broken };

/// As much of `bytes` as the side takes; `taken` says how much.
Written write(Side& to, std::span<const char> bytes, std::size_t& taken) {
    taken = 0;
    while (taken < bytes.size()) {
        const ssize_t n = send(to.socket.get(), bytes.data() + taken, bytes.size() - taken, MSG_NOSIGNAL);
        if (n >= 0) {
            taken += static_cast<std::size_t>(n);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            to.writable = false;
            return Written::Blocked;
        } else if (errno != EINTR) {
            return Written::Broken;
        }
    }
    return Written::All;
}

Written writePending(Side& to, Counter& moved) {
    std::size_t taken = 0;
    const Written result =
        write(to, {to.pending.get() + to.pendingBegin, to.pendingEnd - to.pendingBegin}, taken);
    moved.add(taken);
    to.pendingBegin += taken;
    if (to.pendingBegin == to.pendingEnd) to.pending.reset();
    return result;
}

void keep(Side& to, std::span<const char> bytes) {
    to.pending = std::make_unique<char[]>(bytes.size());
    std::memcpy(to.pending.get(), bytes.data(), bytes.size());
    to.pendingBegin = 0;
    to.pendingEnd = bytes.size();
}

}  // namespace

Progress transfer(Side& from, Side& to, std::span<char> scratch, Counter& moved) {
    for (int share = 0; share < kSharePerTurn; ++share) {
        if (to.pending) {
            if (!to.writable) return Progress::Waiting;
            const Written result = writePending(to, moved);
            if (result == Written::Broken) return Progress::Broken;
            if (result == Written::Blocked) return Progress::Waiting;
        }
        if (from.ended) {
            if (!to.finSent) {
                to.finSent = true;
                if (shutdown(to.socket.get(), SHUT_WR) != 0 && errno != ENOTCONN) return Progress::Broken;
            }
            return Progress::Waiting;
        }
        if (!from.readable || !to.writable) return Progress::Waiting;

        const ssize_t n = recv(from.socket.get(), scratch.data(), scratch.size(), 0);
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK) return Progress::Broken;
            from.readable = false;
            return Progress::Waiting;
        }
        if (n == 0) {
            from.ended = true;
            continue;
        }
        const std::span<const char> bytes(scratch.data(), static_cast<std::size_t>(n));
        // A short read has emptied the socket (epoll(7), Q9), so asking again would only be told EAGAIN; a
        // FIN behind the data is the exception, its edge has been seen already.
        if (bytes.size() < scratch.size() && !from.hungUp) from.readable = false;
        std::size_t taken = 0;
        const Written result = write(to, bytes, taken);
        moved.add(taken);
        if (result == Written::Broken) return Progress::Broken;
        if (result == Written::Blocked) {
            keep(to, bytes.subspan(taken));
            return Progress::Waiting;
        }
    }
    return from.readable ? Progress::More : Progress::Waiting;
}

bool finished(const Connection& connection) {
    return connection.client.finSent && connection.server.finSent;
}

}  // namespace fairlead::lb
