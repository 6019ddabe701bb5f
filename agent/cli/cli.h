#pragma once
// The command line: one file per command. Exit codes: 0 done, 1 the input or the state is wrong (one line per
// mistake on stderr), 2 usage.

#include <CLI/CLI.hpp>

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/config/parse.h"
#include "agent/reload/source.h"

namespace fairlead::cli {

inline constexpr int kDone = 0;
inline constexpr int kWrong = 1;
inline constexpr int kUsage = 2;

struct Streams {
    std::ostream& out;
    std::ostream& err;
};

/// What a command adds itself to: the parser, and the action that is run if this command was chosen.
struct Commands {
    CLI::App& app;
    Streams streams;
    std::function<int()> chosen;
};

/// `--config`, and one flag per configuration key that has one. Lives as long as the parser that it was added
/// to is used.
class ConfigurationFlags {
  public:
    explicit ConfigurationFlags(CLI::App& command);

    /// Reads the file, applies the flags, prints warnings and errors to `err`; nothing if there was an error.
    [[nodiscard]] std::optional<config::Configuration> load(std::ostream& err) const;
    /// The flags that were given, as they'd be written again, without --config.
    [[nodiscard]] std::vector<std::string> asArguments() const;
    [[nodiscard]] const std::string& file() const { return file_; }
    /// From where load() reads.
    [[nodiscard]] reload::Source source() const { return {.file = file_, .flags = given()}; }
    /// As if this flag had been given, unless it was, or a file.
    void addUnlessGiven(const std::string& flag, const std::string& value);

  private:
    [[nodiscard]] std::vector<config::Flag> given() const;

    std::string file_;
    std::vector<config::Flag> added_;
    std::vector<std::pair<const config::Key*, CLI::Option*>> options_;
};

void addRun(Commands& commands);
void addValidate(Commands& commands);
void addStatus(Commands& commands);
void addExplain(Commands& commands);
void addHandover(Commands& commands);
void addDrain(Commands& commands);
void addCleanup(Commands& commands);
void addPreflight(Commands& commands);
void addImport(Commands& commands);
void addManifest(Commands& commands);
void addCompletion(Commands& commands);
void addManual(Commands& commands);
void addVersion(Commands& commands);

/// Everything above, and the examples.
void addAll(Commands& commands);

/// The whole command line; what main() returns.
int main(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace fairlead::cli
