#pragma once
// The last events of a world, for whoever has to understand a violation.

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

#include "tests/simulation/clock.h"

namespace fairlead::simulation {

class Trace {
  public:
    static constexpr std::size_t kLength = 40;
    static constexpr int kNobody = -1;
    static constexpr int kNoValue = -1;

    explicit Trace(bool print) : print_(print) {}

    void note(Instant at, int host, const char* what, int value, const std::string* detail) {
        Entry& entry = entries_[count_++ % kLength];
        entry.at = at;
        entry.host = host;
        entry.what = what;
        entry.value = value;
        entry.detail.assign(detail ? *detail : std::string());
        if (print_) std::puts(line(entry).c_str());
    }

    [[nodiscard]] std::string text() const {
        std::string result;
        for (std::size_t i = count_ > kLength ? count_ - kLength : 0; i < count_; ++i)
            result += line(entries_[i % kLength]) + '\n';
        return result;
    }

  private:
    struct Entry {
        Instant at{0};
        int host = kNobody;
        const char* what = "";
        int value = kNoValue;
        std::string detail;
    };

    static std::string line(const Entry& entry) {
        std::array<char, 96> buffer{};
        const double seconds = std::chrono::duration<double>(entry.at).count();
        std::snprintf(buffer.data(), buffer.size(), entry.host == kNobody ? "%14.6f  " : "%14.6f  host %d ",
                      seconds, entry.host);
        std::string result = std::string(buffer.data()) + entry.what;
        if (entry.value != kNoValue) result += ' ' + std::to_string(entry.value);
        if (!entry.detail.empty()) result += ": " + entry.detail;
        return result;
    }

    bool print_;
    std::array<Entry, kLength> entries_;
    std::uint64_t count_ = 0;
};

}  // namespace fairlead::simulation
