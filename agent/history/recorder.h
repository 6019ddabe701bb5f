#pragma once
// Logs what happens to VIP and backends, and keeps it for `fairlead explain`, over restarts as well. Control
// thread; the file is written on another one.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/files/background_writer.h"
#include "agent/history/history.h"

namespace fairlead::history {

class Recorder {
  public:
    /// Goes on with what an earlier run has left; a file that can't be read is warned of and replaced. With
    /// an empty name nothing is kept over restarts.
    explicit Recorder(std::string file);

    /// One line to the log, and into the history.
    void record(logging::Level level, std::string_view component, std::string_view message,
                std::span<const logging::Field> fields);

    [[nodiscard]] const History& history() const { return history_; }

  private:
    History history_;
    std::optional<files::BackgroundWriter> writer_;
};

}  // namespace fairlead::history
