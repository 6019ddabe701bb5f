#pragma once
// Reads the configuration again while the agent runs: on SIGHUP, and when the file (or the key file that it
// names) changes. A wrong file changes nothing. What a right one changes is told key by key; what has to wait
// for the next start is warned of. Control thread.

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/changes.h"
#include "agent/log/log.h"
#include "agent/reload/file_watch.h"
#include "agent/reload/source.h"

namespace fairlead::reload {

/// What the agent does for it.
struct Hooks {
    /// The configuration that it runs by.
    std::function<const config::Configuration&()> running;
    /// Takes over `next`, of which `applied` is new, maybe nothing, together with what its files (HMAC's
    /// keys) say now. Returns what the latter changed, one phrase, empty if nothing; or why nothing at all
    /// was taken over: "FILE:LINE: what is wrong".
    std::function<std::expected<std::string, std::string>(const config::Changes&)> apply;
    std::function<void(logging::Level, std::string_view message, std::vector<logging::Field>)> tell;
};

class Reloader {
  public:
    Reloader(boost::asio::io_context& context, Source source, Hooks hooks);

    /// From now on. A change that came between reading the configuration and this is found.
    void start();
    void stop();

    /// For `status`: what is wrong with the file, and what waits for the next start.
    [[nodiscard]] std::vector<std::string> warnings() const;

  private:
    enum class Reason : std::uint8_t { Start, Signal, File };

    void awaitSignal();
    void watchFiles();
    void reload(Reason reason);
    /// Or every reason why the file can't be used. `warn`: tell what works but needs a look.
    std::expected<config::Configuration, std::vector<std::string>> wanted(const std::string& text, bool warn);
    void refuse(Reason reason, std::vector<std::string> errors);
    void tellChanges(Reason reason, const config::Changes& changes, const std::string& byFiles);

    Source source_;
    Hooks hooks_;
    boost::asio::signal_set signals_;
    FileWatch watch_;
    std::optional<std::string> lastText_;  ///< of the file, as last looked at
    std::vector<std::string> errors_;      ///< of the last look
    std::vector<config::Change> waiting_;
    std::string whyAllWait_;
};

}  // namespace fairlead::reload
