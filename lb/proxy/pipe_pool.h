#pragma once
// Pipes for splice(2), pooled: making one costs more than it saves on a short transfer. One pool per worker,
// used on its thread only; it outlives the pipes that it handed out.

#include <cstddef>
#include <memory>
#include <vector>

#include "lb/proxy/socket.h"

namespace fairlead::lb {

inline constexpr int kPipeSize = 256 * 1024;

class PipePool;

/// A pipe on loan. Its destructor gives it back, or closes it if bytes are left in it: nobody else may ever
/// read them.
class Pipe {
  public:
    Pipe(PipePool& pool, Descriptor readEnd, Descriptor writeEnd);
    ~Pipe();
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;

    [[nodiscard]] int readEnd() const { return readEnd_.get(); }
    [[nodiscard]] int writeEnd() const { return writeEnd_.get(); }

    std::size_t bytes = 0;  ///< in it now

  private:
    PipePool& pool_;
    Descriptor readEnd_;
    Descriptor writeEnd_;
};

class PipePool {
  public:
    /// At most `limit` pipes, two descriptors each.
    explicit PipePool(std::size_t limit) : limit_(limit) { free_.reserve(limit); }

    /// An empty pipe; null if all are on loan or the system gives no more, and bytes are copied then.
    std::unique_ptr<Pipe> take();

    /// Whether all are on loan.
    [[nodiscard]] bool exhausted() const { return free_.empty() && made_ == limit_; }

  private:
    friend class Pipe;
    struct Ends {
        Descriptor read;
        Descriptor write;
    };

    std::size_t limit_;
    std::size_t made_ = 0;
    std::vector<Ends> free_;
};

}  // namespace fairlead::lb
