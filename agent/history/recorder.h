#pragma once
// Logs what happens to VIP and backends, and keeps it for `fairlead explain`, over restarts as well. record()
// and text() are for the control thread; a thread of the recorder's own writes the file, so that a disk that
// hangs holds nobody up.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "agent/history/history.h"

namespace fairlead::history {

class Recorder {
  public:
    /// Goes on with what an earlier run has left; a file that can't be read is warned of and replaced. With
    /// an empty name nothing is kept over restarts.
    explicit Recorder(std::string file);
    /// Writes what is still to be written, waiting for a second at most.
    ~Recorder();
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    /// One line to the log, and into the history.
    void record(logging::Level level, std::string_view component, std::string_view message,
                std::span<const logging::Field> fields);

    [[nodiscard]] const History& history() const { return history_; }

  private:
    struct Writing;  // shared with the thread, which may be left behind

    std::string file_;
    History history_;
    std::shared_ptr<Writing> writing_;
};

}  // namespace fairlead::history
