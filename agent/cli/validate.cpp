#include <ostream>

#include "agent/cli/cli.h"
#include "agent/config/render.h"

namespace fairlead::cli {

void addValidate(Commands& commands) {
    CLI::App* command = commands.app.add_subcommand("validate", "Check a configuration without running it");
    command->footer(
        "Examples:\n"
        "  fairlead validate --config fairlead.yaml\n"
        "  fairlead validate --vip 10.10.1.108 --effective\n"
        "Each mistake is one line on stderr, FILE:LINE: what is wrong. Nothing of this host is looked at.");
    const auto flags = std::make_shared<ConfigurationFlags>(*command);
    const auto effective = std::make_shared<bool>(false);
    command->add_flag("--effective", *effective, "Print the whole configuration that results, defaults included");
    command->callback([&commands, flags, effective] {
        commands.chosen = [&commands, flags, effective] {
            const auto configuration = flags->load(commands.streams.err);
            if (!configuration) return kWrong;
            if (*effective) {
                commands.streams.out << config::renderYaml(*configuration, config::Comments::None);
            } else {
                commands.streams.out << (flags->file().empty() ? "flags" : flags->file()) << ": valid\n";
            }
            return kDone;
        };
    });
}

}  // namespace fairlead::cli
