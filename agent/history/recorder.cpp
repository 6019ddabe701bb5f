#include "agent/history/recorder.h"

#include <cerrno>
#include <chrono>
#include <utility>

#include "agent/files/replace_file.h"
#include "agent/files/small_file.h"

namespace fairlead::history {

Recorder::Recorder(std::string file) {
    if (file.empty()) return;
    if (const auto content = files::readSmallFile(file)) {
        if (auto earlier = fromJson(content->text)) {
            history_ = std::move(*earlier);
        } else {
            logging::warning("agent", "ignoring the history of events",
                             {{"cause", file + " " + earlier.error()}});
        }
    } else if (content.error().code != ENOENT) {
        logging::warning("agent", "ignoring the history of events", {{"cause", content.error().text}});
    }
    writer_.emplace(
        [file = std::move(file)](const std::string& content) {
            return files::replaceFile(file, content, files::Durability::Host);
        },
        [](const std::string& cause) {
            logging::warning("agent", "cannot keep the history of events", {{"cause", cause}});
        });
}

void Recorder::record(logging::Level level, std::string_view component, std::string_view message,
                      std::span<const logging::Field> fields) {
    logging::log(level, component, message, fields);
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    history_.add({.when = now.count(),
                  .level = level,
                  .component = std::string(component),
                  .message = std::string(message),
                  .fields = {fields.begin(), fields.end()}});
    if (writer_) writer_->write(toJson(history_));
}

}  // namespace fairlead::history
