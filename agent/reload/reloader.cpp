#include "agent/reload/reloader.h"

#include <csignal>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "agent/config/derive.h"
#include "agent/config/host_facts.h"
#include "agent/config/parse.h"
#include "agent/files/small_file.h"

namespace fairlead::reload {
namespace {

using logging::Level;

/// "vrrp.version: 3 -> 2, nodeName: a -> b"
std::string summary(const std::vector<config::Change>& changes) {
    std::string text;
    for (const config::Change& change : changes)
        text += (text.empty() ? "" : ", ") + change.path + ": " + change.before + " -> " + change.after;
    return text;
}

}  // namespace

Reloader::Reloader(boost::asio::io_context& context, Source source, Hooks hooks)
    : source_(std::move(source)),
      hooks_(std::move(hooks)),
      signals_(context, SIGHUP),
      watch_(context, [this] { reload(Reason::File); }) {}

void Reloader::start() {
    // What was read from a pipe can't be read again.
    if (std::error_code error; !std::filesystem::is_regular_file(source_.file, error)) source_.file.clear();
    awaitSignal();
    watchFiles();
    reload(Reason::Start);
}

void Reloader::stop() {
    signals_.cancel();
    watch_.stop();
}

void Reloader::awaitSignal() {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
        if (error) return;
        reload(Reason::Signal);
        awaitSignal();
    });
}

void Reloader::watchFiles() {
    std::vector<std::string> files;
    for (const std::string& file : {source_.file, hooks_.running().keyFile}) {
        if (!file.empty()) files.push_back(file);
    }
    if (files.empty()) return;
    if (const std::string failure = watch_.watch(files); !failure.empty()) {
        hooks_.tell(Level::Warning, "changes of the configuration are not noticed; send SIGHUP after one",
                    {{"cause", failure}});
    }
}

void Reloader::reload(Reason reason) {
    bool rewritten = false;
    config::Changes changes{.next = hooks_.running(), .applied = {}, .waiting = {}, .whyAllWait = {}};
    if (source_.file.empty()) {
        if (reason == Reason::Signal) {
            hooks_.tell(Level::Info, "SIGHUP: there is no configuration file (--config) to read again", {});
        }
    } else {
        const auto file = files::readSmallFile(source_.file);
        if (!file) return refuse(reason, {file.error().text});
        // Otherwise it was something else in the folder, or the key file.
        rewritten = reason != Reason::Start && lastText_ != file->text;
        lastText_ = file->text;
        const auto next = wanted(file->text, rewritten || reason == Reason::Signal);
        if (!next) return refuse(reason, next.error());
        changes = config::changes(hooks_.running(), *next);
    }
    const bool news =
        rewritten || !changes.applied.empty() || changes.waiting != waiting_ || !errors_.empty();
    const std::string keyFile = hooks_.running().keyFile;
    const auto applied = hooks_.apply(changes);
    if (!applied) return refuse(reason, {applied.error()});
    errors_.clear();
    waiting_ = changes.waiting;
    whyAllWait_ = changes.whyAllWait;
    if (news || !applied->empty() || reason == Reason::Signal) tellChanges(reason, changes, *applied);
    if (hooks_.running().keyFile != keyFile) watchFiles();
}

std::expected<config::Configuration, std::vector<std::string>> Reloader::wanted(const std::string& text,
                                                                                bool warn) {
    config::ParseResult parsed = config::parse(text, source_.file, source_.flags);
    if (!parsed.errors.empty()) return std::unexpected(std::move(parsed.errors));
    const config::HostFacts host =
        config::readHostFacts(parsed.configuration.backends.kubernetes.apiServerManifest);
    auto derived = config::derive(std::move(parsed.configuration), host);
    if (!derived) return std::unexpected(std::vector{derived.error()});
    if (warn) {
        for (const auto& list : {parsed.warnings, derived->warnings}) {
            for (const std::string& warning : list)
                hooks_.tell(Level::Warning, warning, {});
        }
    }
    // What auto stands for was settled at the start.
    if (derived->configuration.dataPath == config::DataPath::Auto)
        derived->configuration.dataPath = hooks_.running().dataPath;
    return std::move(derived->configuration);
}

void Reloader::refuse(Reason reason, std::vector<std::string> errors) {
    // Whatever else happens in the folder is no reason to say it again.
    const bool said = reason == Reason::File && errors == errors_;
    errors_ = std::move(errors);
    if (said) return;
    for (const std::string& error : errors_)
        hooks_.tell(Level::Error, "configuration not applied; running on as before", {{"cause", error}});
}

void Reloader::tellChanges(Reason reason, const config::Changes& changes, const std::string& byFiles) {
    for (const config::Change& change : changes.applied) {
        hooks_.tell(Level::Info, "configuration applied",
                    {{"key", change.path}, {"before", change.before}, {"after", change.after}});
    }
    if (!byFiles.empty()) hooks_.tell(Level::Info, byFiles, {});
    if (!changes.waiting.empty()) {
        std::vector<logging::Field> fields{{"changes", summary(changes.waiting)}};
        if (!changes.whyAllWait.empty()) fields.emplace_back("cause", changes.whyAllWait);
        hooks_.tell(Level::Warning, "configuration takes effect at the next start", std::move(fields));
    }
    if (changes.applied.empty() && byFiles.empty() && changes.waiting.empty() && !source_.file.empty()) {
        hooks_.tell(Level::Info, "configuration read again: nothing has changed",
                    {{"cause", reason == Reason::Signal ? "SIGHUP" : "the file was written"}});
    }
}

std::vector<std::string> Reloader::warnings() const {
    std::vector<std::string> warnings;
    if (!errors_.empty()) warnings.push_back("the configuration is not applied: " + errors_.front());
    if (!waiting_.empty()) {
        warnings.push_back("takes effect at the next start: " + summary(waiting_) +
                           (whyAllWait_.empty() ? "" : " (" + whyAllWait_ + ")"));
    }
    return warnings;
}

}  // namespace fairlead::reload
