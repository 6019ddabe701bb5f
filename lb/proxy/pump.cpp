#include "lb/proxy/pump.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace fairlead::lb {
namespace {

/// A connection may move this much, or read this often, before the others have their turn.
constexpr std::uint64_t kBytesPerTurn = std::uint64_t{512} * 1024;
constexpr int kReadsPerTurn = 32;
constexpr unsigned kSpliceFlags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;

bool wouldBlock() {
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

void keep(Side& to, std::unique_ptr<char[]> bytes, std::size_t count) {
    to.pending = std::move(bytes);
    to.pendingBegin = 0;
    to.pendingEnd = static_cast<std::uint32_t>(count);
}

}  // namespace

Pump::Step Pump::broken(Side& side) {
    side.error = errno;
    return Step::Broken;
}

void Pump::end(Side& from, const Side& to) {
    from.ended = true;
    if (&from == &from.connection.client) from.connection.clientFirst = !to.ended;
}

Progress Pump::transfer(Side& from, Side& to, Counter& moved) {
    const std::uint64_t share = moved.get() + kBytesPerTurn;
    for (int reads = 0; reads < kReadsPerTurn && moved.get() < share; ++reads) {
        if (to.holdsBytes()) {
            if (!to.writable) return Progress::Waiting;
            const Step step = flush(to, moved);
            if (step == Step::Broken) return Progress::Broken;
            if (step == Step::Blocked) return Progress::Waiting;
        }
        if (from.ended) {
            if (!to.finSent) {
                to.finSent = true;
                // A client that was told the end can't be given to another backend.
                if (&from != &from.connection.client) from.connection.touched = true;
                // The second FIN goes out with the close, which comes next.
                if (!from.finSent && shutdown(to.socket.get(), SHUT_WR) != 0 && errno != ENOTCONN) {
                    broken(to);
                    return Progress::Broken;
                }
            }
            return Progress::Waiting;
        }
        if (!from.readable || !to.writable) return Progress::Waiting;

        const Step step = from.bulk ? splice(from, to, moved) : copy(from, to, moved);
        if (step == Step::Broken) return Progress::Broken;
        if (step == Step::Blocked || step == Step::Dry) return Progress::Waiting;
    }
    return from.readable ? Progress::More : Progress::Waiting;
}

Pump::Step Pump::copy(Side& from, Side& to, Counter& moved) {
    const ssize_t n = recv(from.socket.get(), scratch_.data(), scratch_.size(), 0);
    if (n < 0) {
        if (errno == EINTR) return Step::Done;
        if (!wouldBlock()) return broken(from);
        from.readable = false;
        return Step::Dry;
    }
    if (n == 0) {
        end(from, to);
        return Step::Done;
    }
    const auto count = static_cast<std::size_t>(n);
    from.connection.touched = true;
    from.bulk = count == scratch_.size();
    // A short read has emptied the socket (epoll(7), Q9), so asking again would only be told EAGAIN; a FIN
    // behind the data is the exception, its edge has been seen already.
    if (!from.bulk && !from.hungUp) from.readable = false;
    for (std::size_t taken = 0; taken < count;) {
        const ssize_t sent = send(to.socket.get(), scratch_.data() + taken, count - taken, MSG_NOSIGNAL);
        if (sent >= 0) {
            taken += static_cast<std::size_t>(sent);
            moved.add(static_cast<std::uint64_t>(sent));
        } else if (wouldBlock()) {
            to.writable = false;
            auto rest = std::make_unique_for_overwrite<char[]>(count - taken);
            std::memcpy(rest.get(), scratch_.data() + taken, count - taken);
            keep(to, std::move(rest), count - taken);
            return Step::Blocked;
        } else if (errno != EINTR) {
            return broken(to);
        }
    }
    return Step::Done;
}

Pump::Step Pump::splice(Side& from, Side& to, Counter& moved) {
    auto pipe = pipes_.take();
    if (!pipe) return copy(from, to, moved);
    // The pipe is empty, so that EAGAIN can only mean the socket, and a short answer says nothing: the pipe's
    // slots run out before its bytes do.
    const ssize_t n =
        ::splice(from.socket.get(), nullptr, pipe->writeEnd(), nullptr, kSpliceSize, kSpliceFlags);
    if (n < 0) {
        if (errno == EINTR) return Step::Done;
        if (!wouldBlock()) return broken(from);
        from.readable = false;
        from.bulk = false;
        return Step::Dry;
    }
    if (n == 0) {
        end(from, to);
        return Step::Done;
    }
    from.connection.touched = true;
    from.bulk = static_cast<std::size_t>(n) >= kScratchSize;
    pipe->bytes = static_cast<std::size_t>(n);
    to.pipe = std::move(pipe);
    return flush(to, moved);
}

Pump::Step Pump::flush(Side& to, Counter& moved) {
    while (to.holdsBytes()) {
        const ssize_t n = to.pipe ? ::splice(to.pipe->readEnd(), nullptr, to.socket.get(), nullptr,
                                             to.pipe->bytes, kSpliceFlags)
                                  : send(to.socket.get(), to.pending.get() + to.pendingBegin,
                                         to.pendingEnd - to.pendingBegin, MSG_NOSIGNAL);
        if (n == 0) return Step::Broken;  // can't be, as long as both count alike; never spin on it
        if (n < 0) {
            if (errno == EINTR) continue;
            if (!wouldBlock()) return broken(to);
            to.writable = false;
            if (to.pipe && pipes_.exhausted() && !evacuate(to)) return Step::Broken;
            return Step::Blocked;
        }
        moved.add(static_cast<std::uint64_t>(n));
        if (to.pipe) {
            to.pipe->bytes -= static_cast<std::size_t>(n);
            if (to.pipe->bytes == 0) to.pipe.reset();
        } else {
            to.pendingBegin += static_cast<std::uint32_t>(n);
            if (to.pendingBegin == to.pendingEnd) to.pending.reset();
        }
    }
    return Step::Done;
}

/// Frees the last pipe from a receiver that has stopped reading, so that the slow can't hold all there are.
bool Pump::evacuate(Side& to) {
    const std::size_t count = to.pipe->bytes;
    auto bytes = std::make_unique_for_overwrite<char[]>(count);
    while (to.pipe->bytes > 0) {
        const ssize_t n = read(to.pipe->readEnd(), bytes.get() + (count - to.pipe->bytes), to.pipe->bytes);
        if (n > 0) {
            to.pipe->bytes -= static_cast<std::size_t>(n);
        } else if (n == 0 || errno != EINTR) {
            return false;
        }
    }
    to.pipe.reset();
    keep(to, std::move(bytes), count);
    return true;
}

}  // namespace fairlead::lb
