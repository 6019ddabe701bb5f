#include <chrono>
#include <expected>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "agent/cli/cli.h"
#include "agent/config/derive.h"
#include "agent/config/host_facts.h"
#include "agent/config/values.h"
#include "agent/control/control_client.h"
#include "agent/data_path.h"
#include "agent/preflight/checks.h"

namespace fairlead::cli {
namespace {

/// "--with" and "--wait", or what is wrong with them.
std::expected<preflight::PairOptions, std::string> pairOptions(const std::vector<std::string>& with,
                                                               int wait) {
    preflight::PairOptions options{.with = {}, .wait = std::chrono::seconds(wait)};
    for (const std::string& text : with) {
        const auto address = config::parseHostAddress(text);
        if (!address) return std::unexpected("--with: " + address.error());
        options.with.push_back(*address);
    }
    return options;
}

int preflight(const ConfigurationFlags& flags, const preflight::PairOptions& pairs, const std::string& format,
              Streams streams) {
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
    for (const std::string& warning : derived->warnings) {
        findings.push_back({.severity = preflight::Severity::Warning,
                            .id = "configuration",
                            .what = warning,
                            .why = {},
                            .fix = {}});
    }
    const bool agentRuns = control::ask(derived->configuration.vrrp.virtualRouterId, "status").ok;
    preflight::checkHost(derived->configuration, agentRuns, findings);
    preflight::checkKernel(derived->configuration, kernelOptions(derived->configuration), findings);
    preflight::checkLan(derived->configuration, agentRuns, findings);
    preflight::checkPairs(derived->configuration, pairs, findings);
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
        "  fairlead preflight --vip 10.10.1.108 --with 10.10.1.84 --with 10.10.1.85\n"
        "\n"
        "Each finding: what it is, why it matters, and what mends it. It listens for some seconds, and "
        "neither takes\n"
        "nor disturbs a VIP. Exits with 1 if something won't work. To be run as root on the host.\n"
        "With --with it also tries whether packets pass between the hosts: run it on all of them within a "
        "minute.");
    const auto flags = std::make_shared<ConfigurationFlags>(*command);
    const auto format = std::make_shared<std::string>("text");
    command->add_option("-o,--output", *format, "text or json")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    const auto with = std::make_shared<std::vector<std::string>>();
    command->add_option("--with", *with, "Another host, where the same runs at this moment; may be repeated")
        ->type_name("ADDRESS")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    const auto wait = std::make_shared<int>(60);
    command->add_option("--wait", *wait, "How long to wait for them, in seconds")
        ->type_name("SECONDS")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
    command->callback([&commands, flags, with, wait, format] {
        commands.chosen = [&commands, flags, with, wait, format] {
            const auto pairs = pairOptions(*with, *wait);
            if (!pairs) {
                commands.streams.err << "fairlead: " << pairs.error() << '\n';
                return kWrong;
            }
            return preflight(*flags, *pairs, *format, commands.streams);
        };
    });
}

}  // namespace fairlead::cli
