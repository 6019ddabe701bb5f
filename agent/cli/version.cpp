#include "agent/version.h"

#include <nlohmann/json.hpp>

#include <ostream>

#include "agent/cli/cli.h"

namespace fairlead::cli {

void addVersion(Commands& commands) {
    CLI::App* command = commands.app.add_subcommand("version", "Print version, commit and build");
    command->footer("Examples:\n  fairlead version\n  fairlead version -o json");
    const auto format = std::make_shared<std::string>("text");
    command->add_option("-o,--output", *format, "text or json")->check(CLI::IsMember({"text", "json"}));
    command->callback([&commands, format] {
        commands.chosen = [&commands, format] {
            if (*format == "json") {
                const nlohmann::ordered_json object{
                    {"version", kVersion}, {"commit", kCommit}, {"build", kBuildType}};
                commands.streams.out << object.dump(2) << '\n';
            } else {
                commands.streams.out << "fairlead " << kVersion << " commit " << kCommit << " build "
                                     << kBuildType << '\n';
            }
            return kDone;
        };
    });
}

}  // namespace fairlead::cli
