#include "agent/kubernetes/response_body.h"

#include <utility>

namespace fairlead::kubernetes {

void ResponseBody::begin() {
    const std::lock_guard lock(mutex_);
    begun_ = true;
    changed_.notify_all();
}

void ResponseBody::end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
}

void ResponseBody::fail(const std::string& error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
    changed_.notify_all();
}

void ResponseBody::arrived(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    gathered_ += bytes;
    if (gathered_ <= kMostGathered || error_) return;
    error_ = begun_ ? "a piece of the answer is too large" : "the answer's head is too large";
    changed_.notify_all();
}

std::optional<std::expected<void, ResponseBody::Error>> ResponseBody::awaitHead(
    std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, limit, [this] { return begun_ || error_; })) return std::nullopt;
    if (error_) return std::unexpected(*error_);
    return std::expected<void, Error>{};
}

std::optional<std::expected<std::string, ResponseBody::Error>> ResponseBody::read(
    std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, limit, [this] { return !bytes_.empty() || ended_ || error_; }))
        return std::nullopt;
    if (bytes_.empty() && error_) return std::unexpected(*error_);
    std::string bytes = std::exchange(bytes_, {});
    auto waiting = std::exchange(waiting_, std::nullopt);
    lock.unlock();
    resume(std::move(waiting));
    return bytes;
}

bool ResponseBody::abandon() {
    std::unique_lock lock(mutex_);
    abandoned_ = true;
    bytes_.clear();
    const bool ended = ended_;
    auto waiting = std::exchange(waiting_, std::nullopt);
    lock.unlock();
    resume(std::move(waiting));
    return !ended;
}

void ResponseBody::resume(std::optional<Waiting> waiting) {
    if (waiting) waiting->done.set(waiting->count);
}

pplx::task<std::size_t> ResponseBody::_putn(const char_type* bytes, std::size_t count) {
    const std::lock_guard lock(mutex_);
    if (abandoned_ || error_) return pplx::task_from_result(count);
    gathered_ = 0;
    // The library takes the size of a chunk as it comes, and reads "-1" as the largest number that there is.
    // What is thrown here would end the process, and a task that fails hold up a thread of the library's. The
    // reader ends the request.
    if (count > kMostGathered) {
        error_ = "a chunk has an impossible size";
        changed_.notify_all();
        return pplx::task_from_result(count);
    }
    bytes_.append(reinterpret_cast<const char*>(bytes), count);
    changed_.notify_all();
    if (bytes_.size() < kMostBuffered) return pplx::task_from_result(count);
    waiting_.emplace(Waiting{.done = {}, .count = count});
    return pplx::create_task(waiting_->done);
}

pplx::task<ResponseBody::int_type> ResponseBody::_putc(char_type byte) {
    return _putn(&byte, 1).then([byte](std::size_t) { return static_cast<int_type>(byte); });
}

}  // namespace fairlead::kubernetes
