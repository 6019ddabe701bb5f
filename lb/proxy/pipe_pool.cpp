#include "lb/proxy/pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace fairlead::lb {

Pipe::Pipe(PipePool& pool, Descriptor readEnd, Descriptor writeEnd)
    : pool_(pool), readEnd_(std::move(readEnd)), writeEnd_(std::move(writeEnd)) {}

Pipe::~Pipe() {
    if (bytes == 0) {
        pool_.free_.push_back({.read = std::move(readEnd_), .write = std::move(writeEnd_)});
    } else {
        --pool_.made_;
    }
}

std::unique_ptr<Pipe> PipePool::take() {
    if (!free_.empty()) {
        Ends ends = std::move(free_.back());
        free_.pop_back();
        return std::make_unique<Pipe>(*this, std::move(ends.read), std::move(ends.write));
    }
    if (made_ == limit_) return nullptr;
    int ends[2] = {-1, -1};
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return nullptr;
    // One that can hold what a splice may bring: fewer and larger pieces, each of which wakes the receiver.
    // Where the system allows no more than it gave, that will do.
    fcntl(ends[0], F_SETPIPE_SZ, kPipeSize);
    ++made_;
    return std::make_unique<Pipe>(*this, Descriptor(ends[0]), Descriptor(ends[1]));
}

}  // namespace fairlead::lb
