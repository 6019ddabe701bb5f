#pragma once
// What the log says meanwhile. It is written by a thread of its own (agent/log/log.h), so a test waits for
// it.

#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>

#include "tests/unit/await.h"

namespace fairlead::test {

/// While it lives, stderr goes into a file without a name.
class StderrCapture {
  public:
    StderrCapture() : file_(std::tmpfile()), before_(dup(STDERR_FILENO)) {
        dup2(fileno(file_), STDERR_FILENO);
    }
    ~StderrCapture() {
        dup2(before_, STDERR_FILENO);
        close(before_);
        std::fclose(file_);
    }
    StderrCapture(const StderrCapture&) = delete;
    StderrCapture& operator=(const StderrCapture&) = delete;

    /// By now.
    [[nodiscard]] std::string text() const {
        std::string all;
        std::array<char, 4096> part{};
        ssize_t read = 0;
        while ((read = pread(fileno(file_), part.data(), part.size(), static_cast<off_t>(all.size()))) > 0)
            all.append(part.data(), static_cast<std::size_t>(read));
        return all;
    }
    /// Waits for it.
    [[nodiscard]] bool says(const std::string& words) const {
        return await([&] { return text().find(words) != std::string::npos; });
    }

  private:
    std::FILE* file_;
    int before_;
};

}  // namespace fairlead::test
