#pragma once
// Decides which changes of state are worth a log line: one per change of cause, not one per attempt, also
// when a server lets us in and drops us again, over and over. Pure; time is an argument.

#include <chrono>
#include <string>

namespace fairlead::kubernetes {

class ChangeLog {
  public:
    using TimePoint = std::chrono::steady_clock::time_point;

    /// It doesn't work, because of `cause`: true if that is news.
    bool down(const std::string& cause, TimePoint now) {
        // The same trouble that comes back after a moment of working is said again only now and then.
        const bool news = cause != cause_ || (up_ && now - said_ >= kReminder);
        if (news) {
            cause_ = cause;
            said_ = now;
            up_ = false;
        }
        return news;
    }

    /// It works, through `source`: true if that is news.
    bool up(const std::string& source) {
        const bool news = source != source_ || !up_;
        source_ = source;
        up_ = true;
        return news;
    }

  private:
    static constexpr std::chrono::seconds kReminder{60};

    std::string cause_;
    std::string source_;
    TimePoint said_;
    bool up_ = false;
};

}  // namespace fairlead::kubernetes
