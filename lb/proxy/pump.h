#pragma once
// Moves bytes from one socket of a connection to the other. One Pump per worker, used on its thread only.
//
// Small reads go through one scratch buffer of the worker: two system calls, and no memory of the
// connection's own. A read that fills the scratch buffer is taken for bulk, and from then on the bytes go by
// splice(2) through a pipe of the worker's pool, never copied to user space, until a splice brings little
// again. What the receiving side doesn't take at once is kept (in the pipe, or in a buffer of the
// connection's own), and nothing more is read until that has gone out: that is the back-pressure, and
// kSpliceSize bounds what one direction of a connection can hold.
//
// splice(2) to a socket whose peer is gone raises SIGPIPE and has no MSG_NOSIGNAL: the calling thread must
// have that signal blocked.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lb/proxy/connection.h"
#include "lb/proxy/pipe_pool.h"

namespace fairlead::lb {

inline constexpr std::size_t kScratchSize = std::size_t{64} * 1024;
inline constexpr std::size_t kSpliceSize = std::size_t{kPipeSize};
/// Per worker. The last one is never left with a blocked connection; who finds none copies.
inline constexpr std::size_t kPipesPerWorker = 32;

enum class Progress : std::uint8_t {
    Waiting,  ///< until the kernel says something new
    More,     ///< had its share of this turn, and there is more
    Broken,   ///< a side was reset or timed out
};

class Pump {
  public:
    explicit Pump(std::size_t pipes = kPipesPerWorker) : pipes_(pipes) {}

    /// Moves bytes and the FIN from one side to the other as far as both allow, at most a bounded amount per
    /// call. `moved` counts what was written.
    Progress transfer(Side& from, Side& to, Counter& moved);

  private:
    enum class Step : std::uint8_t { Done, Blocked, Dry, Broken };

    Step flush(Side& to, Counter& moved);
    Step copy(Side& from, Side& to, Counter& moved);
    Step splice(Side& from, Side& to, Counter& moved);
    bool evacuate(Side& to);
    static Step broken(Side& side);  ///< with errno
    static void end(Side& from, const Side& to);

    PipePool pipes_;
    std::array<char, kScratchSize> scratch_{};
};

}  // namespace fairlead::lb
