#pragma once
// The time limits of the connects that are under way. The limit is the same for all, so they expire in the
// order in which they were started and a queue will do. Pure; one per worker.

#include <chrono>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <utility>

#include "lb/backend.h"

namespace fairlead::lb {

struct Connection;

class ConnectTimer {
  public:
    explicit ConnectTimer(std::chrono::milliseconds limit) : limit_(limit) {}

    /// Returns the attempt's number, never 0.
    std::uint64_t start(Connection& connection, TimePoint now) {
        const std::uint64_t attempt = ++attempts_;
        connecting_.emplace(attempt, &connection);
        limits_.emplace_back(now + limit_, attempt);
        return attempt;
    }

    /// The attempt has ended in whatever way; harmless to say twice.
    void settle(std::uint64_t attempt) {
        connecting_.erase(attempt);
        // Attempts that have settled must not wake anybody.
        while (!limits_.empty() && !connecting_.contains(limits_.front().second))
            limits_.pop_front();
    }

    /// A connection whose attempt has had its time, which is settled by that; null: none.
    Connection* expired(TimePoint now) {
        if (limits_.empty() || limits_.front().first > now) return nullptr;
        const std::uint64_t attempt = limits_.front().second;
        Connection* connection = connecting_.at(attempt);
        settle(attempt);
        return connection;
    }

    /// TimePoint::max(): none is under way.
    [[nodiscard]] TimePoint wakeAt() const {
        return limits_.empty() ? TimePoint::max() : limits_.front().first;
    }

  private:
    std::chrono::milliseconds limit_;
    std::uint64_t attempts_ = 0;
    std::unordered_map<std::uint64_t, Connection*> connecting_;
    std::deque<std::pair<TimePoint, std::uint64_t>> limits_;
};

}  // namespace fairlead::lb
