#pragma once
// What happened lately and why, as it was logged: a bounded list that `fairlead explain` prints and that
// survives restarts. Pure.

#include <cstdint>
#include <deque>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "agent/log/log.h"

namespace fairlead::history {

struct Entry {
    std::int64_t when = 0;  ///< microseconds since 1970, UTC
    logging::Level level = logging::Level::Info;
    std::string component;
    std::string message;
    std::vector<logging::Field> fields;
};

/// The newest ones, the oldest first.
class History {
  public:
    static constexpr std::size_t kMostEntries = 200;
    /// Of an entry's texts together; what is longer is cut.
    static constexpr std::size_t kMostBytes = 1000;

    void add(Entry entry);
    [[nodiscard]] const std::deque<Entry>& entries() const { return entries_; }

  private:
    std::deque<Entry> entries_;
};

/// A JSON array with one entry a line; bytes that aren't UTF-8 are replaced.
std::string toJson(const History& history);
/// Of what toJson() made; the error says what is wrong with it. At most kMostEntries are kept, the newest.
std::expected<History, std::string> fromJson(std::string_view text);

/// For people: "2026-11-24T14:37:58.123Z  vrrp  became MASTER vrid=51 cause=…", one line an entry, the newest
/// last.
std::string toText(const History& history);

}  // namespace fairlead::history
