#include <linux/capability.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <ostream>
#include <vector>

#include "agent/agent.h"
#include "agent/cli/cli.h"
#include "agent/config/derive.h"
#include "agent/config/host_facts.h"
#include "agent/data_path.h"
#include "agent/data_path_choice.h"
#include "agent/guard/guardian.h"
#include "agent/guard/testament.h"
#include "agent/log/log.h"
#include "agent/privileges/privileges.h"
#include "agent/takeover/predecessor.h"

namespace fairlead::cli {
namespace {

/// auto becomes what it stands for on this host.
void resolveDataPath(config::Configuration& configuration) {
    if (configuration.dataPath != config::DataPath::Auto) return;
    const DataPathChoice choice = chooseDataPath(configuration, readKernelFacts(configuration));
    configuration.dataPath = choice.dataPath;
    std::vector<logging::Field> fields{{"chosen", toString(choice.dataPath)}, {"why", choice.why}};
    if (!choice.fix.empty()) fields.emplace_back("forBetter", choice.fix);
    logging::log(logging::Level::Info, "config", "loadBalancer.dataPath: auto", fields);
}

/// As the manifest of the pod has them (manifest_text.cpp).
std::vector<int> neededCapabilities(const config::Configuration& configuration) {
    std::vector<int> needed{CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_NICE, CAP_IPC_LOCK};
    const auto reserved = [](const lb::Endpoint& endpoint) { return endpoint.port < 1024; };
    if (std::ranges::any_of(configuration.loadBalancer.bind, reserved) || reserved(configuration.admin))
        needed.push_back(CAP_NET_BIND_SERVICE);
    return needed;
}

int run(const ConfigurationFlags& flags, bool takesOver, std::ostream& err) {
    // Until there is somebody to heed it, it must not end the agent.
    std::signal(SIGHUP, SIG_IGN);
    auto configuration = flags.load(err);
    if (!configuration) return kWrong;
    // Before anything makes a thread, the log for one.
    guard::Testament testament;
    guard::Guardian guardian = guard::Guardian::split(
        testament, {.format = configuration->logging.format, .filter = configuration->security.seccomp});
    const auto reduced = privileges::keepOnly(neededCapabilities(*configuration));
    logging::configure(configuration->logging.format, configuration->logging.level);
    if (!reduced)
        logging::warning("agent", "keeps rights that it doesn't need", {{"cause", reduced.error()}});
    const config::HostFacts host =
        config::readHostFacts(configuration->backends.kubernetes.apiServerManifest);
    auto derived = config::derive(std::move(*configuration), host);
    if (!derived) {
        err << derived.error() << '\n';
        return kWrong;
    }
    for (const std::string& note : derived->notes)
        logging::info("config", "derived from the host", {{"value", note}});
    for (const std::string& warning : derived->warnings)
        logging::warning("config", warning);
    resolveDataPath(derived->configuration);
    std::optional<takeover::Predecessor> predecessor;
    if (takesOver) {
        auto found = takeover::Predecessor::find(derived->configuration.vrrp.virtualRouterId);
        if (!found) {
            err << found.error() << '\n';
            return kWrong;
        }
        predecessor = std::move(*found);
        if (!predecessor) logging::info("agent", "no agent runs here from which to take over");
    }
    return runAgent(derived->configuration, flags.source(), testament, guardian, std::move(predecessor));
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
        "SIGHUP,\n"
        "it is read again; what can be applied is, and the rest is named.\n"
        "\n"
        "--takeover upgrades in place: the agent that runs here, of whatever version, gives this one its\n"
        "listeners and its VIP, refuses nobody meanwhile, and goes on serving the connections that it has "
        "until\n"
        "it is stopped.");
    const auto flags = std::make_shared<ConfigurationFlags>(*command);
    const auto takesOver = std::make_shared<bool>(false);
    command->add_flag(
        "--takeover", *takesOver,
        "Take over from the agent of this virtual router ID that runs on this host, if there is one");
    command->callback([&commands, flags, takesOver] {
        commands.chosen = [&commands, flags, takesOver] {
            return run(*flags, *takesOver, commands.streams.err);
        };
    });
}

}  // namespace fairlead::cli
