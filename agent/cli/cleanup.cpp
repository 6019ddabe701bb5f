#include <unistd.h>

#include <cerrno>
#include <memory>
#include <ostream>
#include <system_error>

#include "agent/cli/cli.h"
#include "agent/config/derive.h"
#include "agent/config/host_facts.h"
#include "agent/control/control_client.h"
#include "agent/data_path.h"
#include "agent/net/address_keeper.h"
#include "agent/net/netlink.h"
#include "lb/kernel/kernel_path.h"

namespace fairlead::cli {
namespace {

/// What is left of a run goes; what is not there is not missed.
class Cleanup {
  public:
    explicit Cleanup(Streams streams) : streams_(streams) {}

    void file(const std::string& name) {
        if (name.empty()) return;
        if (unlink(name.c_str()) == 0) {
            streams_.out << "removed " << name << '\n';
        } else if (errno != ENOENT) {
            failed(name + ": " + std::generic_category().message(errno));
        }
    }

    void addresses(const config::Configuration& configuration) {
        if (configuration.vip.addresses.empty()) return;
        net::Netlink netlink;
        const auto removed = net::sweepAddresses(netlink, configuration.vip.addresses);
        if (!removed) return failed(removed.error());
        for (const net::RemovedAddress& address : *removed) {
            streams_.out << "removed " << address.address.to_string() << " from "
                         << address.interface << '\n';
        }
    }

    void rules(const config::Configuration& configuration) {
        try {
            for (const std::string& removed : lb::removeKernelPath(kernelOptions(configuration)))
                streams_.out << "removed " << removed << '\n';
        } catch (const std::exception& error) {
            failed(error.what());
        }
    }

    [[nodiscard]] int result() const { return failed_ ? kWrong : kDone; }

  private:
    void failed(const std::string& why) {
        streams_.err << "fairlead: " << why << '\n';
        failed_ = true;
    }

    Streams streams_;
    bool failed_ = false;
};

int cleanUp(const ConfigurationFlags& flags, Streams streams) {
    const auto configuration = flags.load(streams.err);
    if (!configuration) return kWrong;
    if (control::ask(configuration->vrrp.virtualRouterId, "status").ok) {
        streams.err << "fairlead: an agent runs on this host; stop it first, by moving its manifest out of "
                       "/etc/kubernetes/manifests\n";
        return kWrong;
    }
    const config::HostFacts host =
        config::readHostFacts(configuration->backends.kubernetes.apiServerManifest);
    if (const auto mistake = config::vipThatIsTheHosts(*configuration, host)) {
        streams.err << *mistake << '\n';
        return kWrong;
    }
    Cleanup cleanup(streams);
    cleanup.addresses(*configuration);
    const auto derived = config::derive(*configuration, host);
    cleanup.rules(derived ? derived->configuration : *configuration);
    cleanup.file(configuration->backends.cacheFile);
    cleanup.file(configuration->logging.historyFile);
    for (const char* family : {"-ipv4", "-ipv6"}) {
        if (!configuration->replayFile.empty()) cleanup.file(configuration->replayFile + family);
    }
    return cleanup.result();
}

}  // namespace

void addCleanup(Commands& commands) {
    CLI::App* command = commands.app.add_subcommand(
        "cleanup",
        "Remove what a stopped agent may have left: the VIP, rules of nftables, the cache, the history");
    command->footer(
        "Examples:\n"
        "  fairlead cleanup --config /etc/kubernetes/fairlead.yaml\n"
        "  fairlead cleanup --vip 10.10.1.108\n"
        "\n"
        "To be run as root with the agent's own configuration. Says what it removed; what is not there is no "
        "error.\nRefuses while an agent runs.");
    const auto flags = std::make_shared<ConfigurationFlags>(*command);
    command->callback([&commands, flags] {
        commands.chosen = [&commands, flags] { return cleanUp(*flags, commands.streams); };
    });
}

}  // namespace fairlead::cli
