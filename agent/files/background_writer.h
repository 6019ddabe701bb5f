#pragma once
// Writes a file's newest content on a thread of its own, so that a disk that hangs holds nobody up.

#include <expected>
#include <functional>
#include <memory>
#include <string>

namespace fairlead::files {

class BackgroundWriter {
  public:
    /// Both are called on the writer's thread, which may be left behind: they must own what they use.
    /// `attempt` writes, or says why it can't; `failed` is told so once until an attempt succeeds.
    using Attempt = std::function<std::expected<void, std::string>(const std::string& content)>;
    using Failed = std::function<void(const std::string& cause)>;

    BackgroundWriter(Attempt attempt, Failed failed);
    ~BackgroundWriter();  ///< flush(); what wasn't begun by then is forgotten, and no failure told
    BackgroundWriter(const BackgroundWriter&) = delete;
    BackgroundWriter& operator=(const BackgroundWriter&) = delete;

    /// Any thread; returns at once. What an earlier call gave and no attempt was made at is forgotten.
    void write(std::string content);

    /// Waits until everything was attempted, a second at most.
    void flush();

    /// Any thread. The last attempt failed; it is not repeated.
    [[nodiscard]] bool failed() const;

  private:
    struct Shared;  // with the thread
    std::shared_ptr<Shared> shared_;
};

}  // namespace fairlead::files
