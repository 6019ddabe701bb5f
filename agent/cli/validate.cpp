#include <memory>
#include <ostream>

#include "agent/cli/cli.h"
#include "agent/config/derive.h"
#include "agent/config/host_facts.h"
#include "agent/config/render.h"

namespace fairlead::cli {
namespace {

int validate(const ConfigurationFlags& flags, bool effective, Streams streams) {
    auto configuration = flags.load(streams.err);
    if (!configuration) return kWrong;
    if (!effective) {
        streams.out << (flags.file().empty() ? "flags" : flags.file()) << ": valid\n";
        return kDone;
    }
    const config::HostFacts host =
        config::readHostFacts(configuration->backends.kubernetes.apiServerManifest);
    const auto derived = config::derive(std::move(*configuration), host);
    if (!derived) {
        streams.err << derived.error() << '\n';
        return kWrong;
    }
    for (const std::string& warning : derived->warnings)
        streams.err << "warning: " << warning << '\n';
    for (const std::string& note : derived->notes)
        streams.out << "# derived from this host: " << note << '\n';
    streams.out << config::renderEffective(derived->configuration);
    return kDone;
}

}  // namespace

void addValidate(Commands& commands) {
    CLI::App* command = commands.app.add_subcommand("validate", "Check a configuration without running it");
    command->footer(
        "Examples:\n"
        "  fairlead validate --config fairlead.yaml\n"
        "  fairlead validate --config fairlead.yaml --effective\n"
        "  fairlead validate --vip 10.10.1.108 --effective\n"
        "\n"
        "Each mistake is one line on stderr, FILE:LINE: key: what is wrong.");
    const auto flags = std::make_shared<ConfigurationFlags>(*command);
    const auto effective = std::make_shared<bool>(false);
    command->add_flag("--effective", *effective,
                      "Print all that would hold on this host: file, flags, defaults, and what is derived");
    command->callback([&commands, flags, effective] {
        commands.chosen = [&commands, flags, effective] {
            return validate(*flags, *effective, commands.streams);
        };
    });
}

}  // namespace fairlead::cli
