#include "agent/authentication/replay_keeper.h"

#include <sys/timex.h>

#include <utility>

#include "agent/authentication/authentication_files.h"
#include "agent/files/replace_file.h"
#include "agent/log/log.h"

namespace fairlead::authentication {
namespace {

std::unique_ptr<files::BackgroundWriter> makeWriter(const std::string& file) {
    return std::make_unique<files::BackgroundWriter>(
        // Without waiting for the disk: a crash of the process loses nothing, and a crash of the host takes
        // longer than the window.
        [file](const std::string& content) {
            return files::replaceFile(file, content, files::Durability::Process);
        },
        [](const std::string& cause) {
            logging::warning("vrrp", "cannot keep what guards against replays", {{"cause", cause}});
        });
}

}  // namespace

ReplayKeeper::ReplayKeeper(const std::string& file, const std::vector<vrrp::RouterOptions>& routers) {
    for (const vrrp::RouterOptions& router : routers) {
        vrrp::ReplayState state;
        if (!file.empty()) {
            const std::string own = file + (router.ipv6() ? "-ipv6" : "-ipv4");
            writers_.push_back(makeWriter(own));
            if (auto read = readReplayState(own)) {
                state = std::move(*read);
            } else {
                logging::warning("vrrp", "ignoring what an earlier run kept against replays",
                                 {{"cause", read.error()}});
            }
        }
        const auto behind = vrrp::clockBehind(state, std::chrono::system_clock::now());
        if (behind > router.replayWindow) {
            logging::warning("vrrp",
                             "the clock is behind what an earlier run has seen, so replays of that time are "
                             "possible; see that time is synchronised",
                             {{"seconds", behind.count()}});
        }
        steps_.push_back(vrrp::replayStep(router.replayWindow));
        states_.push_back(std::move(state));
    }
}

void ReplayKeeper::save(const std::vector<vrrp::RouterStatus>& routers) {
    for (std::size_t i = 0; i < writers_.size() && i < routers.size(); ++i) {
        const auto& progress = routers[i].replay;
        if (!progress) continue;
        const auto& [sender, heard] = *progress;
        if (writers_[i]->failed() || vrrp::saveDue(states_[i], sender, heard, steps_[i]))
            write(i, vrrp::toSave(states_[i], sender, heard, steps_[i]));
    }
}

void ReplayKeeper::saveLast(const std::vector<vrrp::RouterStatus>& routers) {
    for (std::size_t i = 0; i < writers_.size() && i < routers.size(); ++i) {
        const auto& progress = routers[i].replay;
        if (!progress) continue;
        const auto& [sender, heard] = *progress;
        write(i, vrrp::toSave(states_[i], sender, heard, std::chrono::milliseconds(0)));
    }
    for (const auto& writer : writers_)
        writer->flush();
}

void ReplayKeeper::write(std::size_t router, vrrp::ReplayState next) {
    writers_[router]->write(vrrp::render(next));
    states_[router] = std::move(next);
}

void warnOfUnsynchronisedClock() {
    timex clock{};
    const int state = adjtimex(&clock);
    if (state >= 0 && (clock.status & STA_UNSYNC) == 0) return;
    logging::warning("vrrp",
                     "the clock is not synchronised; beyond vrrp.authentication.window of difference the "
                     "hosts reject each other's advertisements: run chrony or another NTP client on all",
                     {{"now", std::chrono::duration_cast<std::chrono::seconds>(
                                  std::chrono::system_clock::now().time_since_epoch())
                                  .count()}});
}

}  // namespace fairlead::authentication
