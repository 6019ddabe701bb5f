#include "agent/cli/cli.h"

#include <algorithm>
#include <exception>
#include <ostream>
#include <string_view>

#include "agent/config/values.h"
#include "agent/version.h"

namespace fairlead::cli {
namespace {

std::vector<std::string> namesOf(const CLI::App& command) {
    std::vector<std::string> names;
    for (const CLI::App* child : command.get_subcommands({}))
        names.push_back(child->get_name());
    return names;
}

/// The first word that should be the name of a command and isn't: what is wrong, else empty.
std::string unknownCommand(const CLI::App& app, int argc, const char* const* argv) {
    const CLI::App* parent = &app;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word(argv[i]);
        const std::vector<std::string> names = namesOf(*parent);
        if (names.empty() || word.starts_with('-')) return "";
        if (std::ranges::find(names, word) == names.end()) {
            std::string text = "unknown command " + config::quoted(word) + " (there are:";
            for (const std::string& name : names)
                text += " " + name;
            return text + ")";
        }
        parent = parent->get_subcommand(std::string(word));
    }
    return "";
}

}  // namespace

void addAll(Commands& commands) {
    commands.app.footer(
        "Examples:\n"
        "  fairlead manifest pod --vip 10.10.1.108 --image IMAGE > /etc/kubernetes/manifests/fairlead.yaml\n"
        "  fairlead validate --config fairlead.yaml\n"
        "  fairlead run --vip 10.10.1.108 --interface eth0\n"
        "  fairlead status\n"
        "\n"
        "Exit codes: 0 done, 1 the input or the state is wrong, 2 usage.");
    addRun(commands);
    addValidate(commands);
    addManifest(commands);
    addStatus(commands);
    addExplain(commands);
    addHandover(commands);
    addDrain(commands);
    addPreflight(commands);
    addImport(commands);
    addCleanup(commands);
    addCompletion(commands);
    addManual(commands);
    addVersion(commands);
}

int main(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
    CLI::App app{"fairlead: one address for a kubeadm control plane that stays up"};
    app.name("fairlead");
    app.require_subcommand(1);
    app.set_version_flag("--version", kVersion);
    Commands commands{.app = app, .streams = {.out = out, .err = err}, .chosen = {}};
    addAll(commands);
    if (const std::string unknown = unknownCommand(app, argc, argv); !unknown.empty()) {
        err << "fairlead: " << unknown << '\n';
        return kUsage;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error, out, err) == 0 ? kDone : kUsage;
    }
    try {
        return commands.chosen();
    } catch (const std::exception& error) {
        err << "fairlead: " << error.what() << '\n';
        return kWrong;
    }
}

}  // namespace fairlead::cli
