#include "agent/cli/cli.h"

#include <exception>
#include <ostream>

namespace fairlead::cli {

int main(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
    CLI::App app{"fairlead: one address for a kubeadm control plane that stays up"};
    app.name("fairlead");
    app.require_subcommand(1);
    app.footer(
        "Examples:\n"
        "  fairlead manifest pod --vip 10.10.1.108 > /etc/kubernetes/manifests/fairlead.yaml\n"
        "  fairlead validate --config fairlead.yaml\n"
        "  fairlead run --vip 10.10.1.108 --interface eth0\n"
        "\nExit codes: 0 done, 1 the input or the state is wrong, 2 usage.");
    Commands commands{.app = app, .streams = {.out = out, .err = err}, .chosen = {}};
    addRun(commands);
    addValidate(commands);
    addManifest(commands);
    addVersion(commands);
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
