#include <memory>
#include <ostream>

#include "agent/cli/cli.h"
#include "agent/config/derive.h"
#include "agent/config/host_facts.h"
#include "agent/control/control_client.h"
#include "agent/preflight/checks.h"

namespace fairlead::cli {
namespace {

int preflight(const ConfigurationFlags& flags, const std::string& format, Streams streams) {
    auto configuration = flags.load(streams.err);
    if (!configuration) return kWrong;
    const config::HostFacts host =
        config::readHostFacts(configuration->backends.kubernetes.apiServerManifest);
    const auto derived = config::derive(std::move(*configuration), host);
    if (!derived) {
        streams.err << derived.error() << '\n';
        return kWrong;
    }
    preflight::Findings findings;
    for (const std::string& warning : derived->warnings)
        findings.push_back({.severity = preflight::Severity::Warning,
                            .id = "configuration",
                            .what = warning,
                            .why = {},
                            .fix = {}});
    const bool agentRuns = control::ask(derived->configuration.vrrp.virtualRouterId, "status").ok;
    preflight::checkHost(derived->configuration, agentRuns, findings);
    preflight::checkLan(derived->configuration, agentRuns, findings);
    preflight::checkCluster(derived->configuration, findings);
    streams.out << (format == "json" ? preflight::toJson(findings) : preflight::toText(findings));
    return preflight::anyError(findings) ? kWrong : kDone;
}

}  // namespace

void addPreflight(Commands& commands) {
    CLI::App* command = commands.app.add_subcommand(
        "preflight", "Check this host, its LAN and the cluster before the agent runs, or beside it");
    command->footer(
        "Examples:\n"
        "  fairlead preflight --vip 10.10.1.108\n"
        "  fairlead preflight --config /etc/kubernetes/fairlead.yaml -o json\n"
        "\n"
        "Each finding: what it is, why it matters, and what mends it. It listens for some seconds, and "
        "neither takes\n"
        "nor disturbs a VIP. Exits with 1 if something won't work. To be run as root on the host.");
    const auto flags = std::make_shared<ConfigurationFlags>(*command);
    const auto format = std::make_shared<std::string>("text");
    command->add_option("-o,--output", *format, "text or json")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    command->callback([&commands, flags, format] {
        commands.chosen = [&commands, flags, format] { return preflight(*flags, *format, commands.streams); };
    });
}

}  // namespace fairlead::cli
