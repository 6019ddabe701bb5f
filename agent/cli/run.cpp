#include <csignal>
#include <memory>
#include <ostream>

#include "agent/agent.h"
#include "agent/cli/cli.h"
#include "agent/config/derive.h"
#include "agent/config/host_facts.h"
#include "agent/guard/guardian.h"
#include "agent/guard/testament.h"
#include "agent/log/log.h"

namespace fairlead::cli {
namespace {

int run(const ConfigurationFlags& flags, std::ostream& err) {
    // Until there is somebody to heed it, it must not end the agent.
    std::signal(SIGHUP, SIG_IGN);
    auto configuration = flags.load(err);
    if (!configuration) return kWrong;
    // Before anything makes a thread, the log for one.
    guard::Testament testament;
    guard::Guardian guardian = guard::Guardian::split(testament, {.format = configuration->logging.format});
    logging::configure(configuration->logging.format, configuration->logging.level);
    const auto derived = config::derive(std::move(*configuration), config::readHostFacts());
    if (!derived) {
        err << derived.error() << '\n';
        return kWrong;
    }
    for (const std::string& note : derived->notes)
        logging::info("config", "derived from the host", {{"value", note}});
    for (const std::string& warning : derived->warnings)
        logging::warning("config", warning);
    return runAgent(derived->configuration, flags.source(), testament, guardian);
}

}  // namespace

void addRun(Commands& commands) {
    CLI::App* command = commands.app.add_subcommand("run", "Run the agent in the foreground");
    command->footer(
        "Examples:\n"
        "  fairlead run --vip 10.10.1.108\n"
        "  fairlead run --config /etc/kubernetes/fairlead.yaml --log-level debug\n"
        "  fairlead run --vip 10.10.1.108 --kubeconfig '' --backend 10.10.1.83:6443 --backend "
        "10.10.1.84:6443\n"
        "\n"
        "SIGTERM and SIGINT give the VIP to a peer and stop. When the file of --config changes, and on "
        "SIGHUP, it "
        "is read\n"
        "again; what can be applied is, and the rest is named.");
    const auto flags = std::make_shared<ConfigurationFlags>(*command);
    command->callback([&commands, flags] {
        commands.chosen = [&commands, flags] { return run(*flags, commands.streams.err); };
    });
}

}  // namespace fairlead::cli
