#include "agent/history/recorder.h"

#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "agent/files/replace_file.h"
#include "agent/files/small_file.h"

namespace fairlead::history {

struct Recorder::Writing {
    std::mutex mutex;
    std::condition_variable changed;
    std::string file;
    std::optional<std::string> next;  ///< the newest content that isn't written yet
    bool busy = false;
    bool stop = false;

    void run() {
        bool failed = false;
        std::unique_lock lock(mutex);
        while (true) {
            changed.wait(lock, [this] { return next || stop; });
            const std::optional<std::string> text = std::exchange(next, std::nullopt);
            if (!text) return;
            busy = true;
            lock.unlock();
            const auto written = files::replaceFile(file, *text, files::Durability::Host);
            if (!written && !std::exchange(failed, true))
                logging::warning("agent", "cannot keep the history of events", {{"cause", written.error()}});
            failed = !written;
            lock.lock();
            busy = false;
            changed.notify_all();
        }
    }
};

Recorder::Recorder(std::string file) : file_(std::move(file)) {
    if (file_.empty()) return;
    if (const auto content = files::readSmallFile(file_)) {
        if (auto earlier = fromJson(content->text)) {
            history_ = std::move(*earlier);
        } else {
            logging::warning("agent", "ignoring the history of events",
                             {{"cause", file_ + " " + earlier.error()}});
        }
    } else if (content.error().code != ENOENT) {
        logging::warning("agent", "ignoring the history of events", {{"cause", content.error().text}});
    }
    writing_ = std::make_shared<Writing>();
    writing_->file = file_;
    // Left behind if the disk hangs when the agent ends: it holds nothing but its own share.
    std::thread([writing = writing_] { writing->run(); }).detach();
}

Recorder::~Recorder() {
    if (!writing_) return;
    std::unique_lock lock(writing_->mutex);
    writing_->stop = true;
    writing_->changed.notify_all();
    writing_->changed.wait_for(lock, std::chrono::seconds(1),
                               [this] { return !writing_->next && !writing_->busy; });
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
    if (!writing_) return;
    const std::lock_guard lock(writing_->mutex);
    writing_->next = toJson(history_);
    writing_->changed.notify_all();
}

}  // namespace fairlead::history
