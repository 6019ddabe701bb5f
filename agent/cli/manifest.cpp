#include <algorithm>
#include <filesystem>
#include <memory>
#include <ostream>
#include <utility>

#include "agent/cli/cli.h"
#include "agent/cli/manifest_text.h"
#include "agent/config/render.h"
#include "agent/config/values.h"
#include "agent/version.h"

namespace fairlead::cli {
namespace {

constexpr const char* kSettingsDirectory = "/etc/kubernetes";
constexpr const char* kStateDirectory = "/var/lib/fairlead";
constexpr const char* kWorkerListener = "127.0.0.1:16443";

/// Names no registry, so that nobody else's image is ever pulled in its place: load it on each host, or name
/// your own with --image.
std::string defaultImage() {
    return std::string("localhost/fairlead:") + kVersion;
}

bool under(const std::string& directory, const std::string& file) {
    const std::filesystem::path path = std::filesystem::path(file).lexically_normal();
    return path.string().starts_with(directory + "/");
}

/// What of the configuration the pod can't get at, one line each.
std::vector<std::string> outOfReach(const config::Configuration& configuration,
                                    const std::string& configFile) {
    std::vector<std::string> lines;
    const auto require = [&](const char* directory, const std::string& what, const std::string& file) {
        if (!file.empty() && !under(directory, file)) {
            lines.push_back(what + ": " + file + " is not visible in the pod; it must lie under " +
                            directory);
        }
    };
    require(kSettingsDirectory, "flag --config", configFile);
    for (const std::string& file : configuration.backends.kubernetes.kubeconfig)
        require(kSettingsDirectory, "backends.kubernetes.kubeconfig", file);
    require(kSettingsDirectory, "loadBalancer.healthCheck.caFile", configuration.healthCheck.caFile);
    require(kSettingsDirectory, "loadBalancer.healthCheck.clientCertFile",
            configuration.healthCheck.clientCertFile);
    require(kSettingsDirectory, "loadBalancer.healthCheck.clientKeyFile",
            configuration.healthCheck.clientKeyFile);
    require(kSettingsDirectory, "vrrp.authentication.keyFile", configuration.keyFile);
    require(kSettingsDirectory, "admin.tls.certFile", configuration.adminSecurity.certFile);
    require(kSettingsDirectory, "admin.tls.keyFile", configuration.adminSecurity.keyFile);
    require(kSettingsDirectory, "admin.tls.clientCAFile", configuration.adminSecurity.clientCaFile);
    require(kSettingsDirectory, "admin.tokenFile", configuration.adminSecurity.tokenFile);
    require(kStateDirectory, "vrrp.authentication.replayFile", configuration.replayFile);
    require(kStateDirectory, "backends.cacheFile", configuration.backends.cacheFile);
    require(kStateDirectory, "logging.historyFile", configuration.logging.historyFile);
    return lines;
}

/// Why a pod of that role can't work with the configuration; empty if it can.
std::string unfit(Role role, const config::Configuration& configuration) {
    const bool vip = !configuration.vip.addresses.empty();
    if (role == Role::ControlPlane && !vip)
        return "flag --vip: a control-plane host needs the VIP; --worker prints the pod of a worker";
    if (role == Role::Worker && vip) return "flag --worker: a worker holds no VIP; leave vip.addresses out";
    if (role == Role::Worker && configuration.backends.fixed.empty() &&
        configuration.backends.kubernetes.server.empty()) {
        return "flag --worker: no API server is known to begin with: name those that exist, as in --backend "
               "10.10.1.83:6443; later ones are found through the API";
    }
    return "";
}

struct PodFlags {
    std::string image = defaultImage();
    std::string name = "fairlead";
    bool worker = false;
    bool takeover = false;
};

/// RFC 1123's label, as far as the name of a pod goes, behind which the kubelet puts that of the host.
bool isPodName(const std::string& name) {
    constexpr std::size_t kLongest = 63;
    const auto harmless = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
    return !name.empty() && name.size() <= kLongest && std::ranges::all_of(name, harmless) &&
           name.front() != '-' && name.back() != '-';
}

int printPod(ConfigurationFlags& flags, const PodFlags& pod, Streams streams) {
    const Role role = pod.worker ? Role::Worker : Role::ControlPlane;
    const std::string& image = pod.image;
    if (role == Role::Worker) flags.addUnlessGiven("--bind", kWorkerListener);
    // What the agent would refuse on the host is refused here.
    const auto configuration = flags.load(streams.err);
    if (!configuration) return kWrong;
    if (const std::string reason = unfit(role, *configuration); !reason.empty()) {
        streams.err << reason << '\n';
        return kWrong;
    }
    if (image.empty() || image.find_first_of(" \t\n\"\\") != std::string::npos) {
        streams.err << "flag --image: " << config::quoted(image) << " is not the name of an image\n";
        return kWrong;
    }
    if (!isPodName(pod.name)) {
        streams.err << "flag --name: " << config::quoted(pod.name)
                    << " is not the name of a pod: small letters, digits and hyphens\n";
        return kWrong;
    }
    const std::vector<std::string> mistakes = outOfReach(*configuration, flags.file());
    for (const std::string& mistake : mistakes)
        streams.err << mistake << '\n';
    if (!mistakes.empty()) return kWrong;

    std::vector<std::string> arguments = flags.asArguments();
    for (const std::string& argument : arguments) {
        if (argument.starts_with("--auth-password=")) {
            streams.err
                << "warning: the password can be read in the pod's spec; put it into a file (--config)\n";
        }
    }
    if (!flags.file().empty()) arguments.insert(arguments.begin(), "--config=" + flags.file());
    if (pod.takeover) arguments.insert(arguments.begin(), "--takeover");
    streams.out << podManifest({.role = role,
                                .name = pod.name,
                                .image = image,
                                .admin = configuration->admin,
                                .adminTls = !configuration->adminSecurity.certFile.empty(),
                                .arguments = std::move(arguments)});
    return kDone;
}

void addPod(Commands& commands, CLI::App& parent) {
    CLI::App* command = parent.add_subcommand("pod", "The static pod, the same for every control-plane host");
    command->footer(
        "Examples:\n"
        "  fairlead manifest pod --vip 10.10.1.108 --image IMAGE > /etc/kubernetes/manifests/fairlead.yaml\n"
        "  fairlead manifest pod --config /etc/kubernetes/fairlead.yaml --image IMAGE\n"
        "  fairlead manifest pod --worker --backend 10.10.1.83:6443 --backend 10.10.1.84:6443 --image IMAGE\n"
        "  fairlead manifest pod --vip 10.10.1.108 --image NEW_IMAGE --name fairlead-next --takeover\n"
        "\n"
        "The flags given here become the agent's arguments. A file given by --config is read here to check "
        "it, "
        "and again\nby the agent on each host, so it must be there, under /etc/kubernetes.");
    const auto flags = std::make_shared<ConfigurationFlags>(*command);
    const auto pod = std::make_shared<PodFlags>();
    command->add_option("--image", pod->image, "The container image")
        ->capture_default_str()
        ->type_name("IMAGE");
    command
        ->add_option("--name", pod->name,
                     "The pod's name; another one than that of the pod that is to be taken over")
        ->capture_default_str()
        ->type_name("NAME");
    command->add_flag(
        "--takeover", pod->takeover,
        "The agent takes over from the one that runs: for an upgrade in place, see `fairlead run --help`");
    command->add_flag(
        "--worker", pod->worker,
        "The pod of a worker: the balancer alone, on 127.0.0.1:16443 unless --bind says otherwise");
    command->callback([&commands, flags, pod] {
        commands.chosen = [&commands, flags, pod] { return printPod(*flags, *pod, commands.streams); };
    });
}

void addRbac(Commands& commands, CLI::App& parent) {
    CLI::App* command =
        parent.add_subcommand("rbac", "The rights of the agent, and how to make its identity");
    command->footer(
        "Examples:\n"
        "  fairlead manifest rbac | kubectl apply -f -\n"
        "  fairlead manifest rbac --source endpointslices | kubectl apply -f -");
    const auto events = std::make_shared<bool>(true);
    const auto source = std::make_shared<std::string>("nodes");
    command
        ->add_option("--source", *source,
                     "What it is to read, as in backends.kubernetes.source: nodes or endpointslices")
        ->check(CLI::IsMember({"nodes", "endpointslices"}))
        ->capture_default_str()
        ->type_name("SOURCE");
    command->add_flag("--events,!--no-events", *events,
                      "With the right to write Events about the VIP (the default), or without");
    command->callback([&commands, source, events] {
        commands.chosen = [&commands, source, events] {
            commands.streams.out << rbacManifest(
                *source == "nodes" ? kubernetes::Source::Nodes : kubernetes::Source::EndpointSlices, *events);
            return kDone;
        };
    });
}

void addConfig(Commands& commands, CLI::App& parent) {
    CLI::App* command =
        parent.add_subcommand("config", "A configuration file with every key and what it means");
    command->footer(
        "Examples:\n"
        "  fairlead manifest config --vip 10.10.1.108 > /etc/kubernetes/fairlead.yaml\n"
        "\n"
        "What the flags (or a file) say is set in it; all other keys are comments that show the defaults.");
    const auto flags = std::make_shared<ConfigurationFlags>(*command);
    command->callback([&commands, flags] {
        commands.chosen = [&commands, flags] {
            const auto configuration = flags->load(commands.streams.err);
            if (!configuration) return kWrong;
            commands.streams.out << config::renderTemplate(*configuration);
            return kDone;
        };
    });
}

}  // namespace

void addManifest(Commands& commands) {
    CLI::App* command = commands.app.add_subcommand("manifest", "Print YAML to install from");
    command->require_subcommand(1);
    command->footer(
        "Examples:\n"
        "  fairlead manifest pod --vip 10.10.1.108 --image IMAGE > /etc/kubernetes/manifests/fairlead.yaml\n"
        "  fairlead manifest rbac | kubectl apply -f -\n"
        "  fairlead manifest config --vip 10.10.1.108 > /etc/kubernetes/fairlead.yaml");
    addPod(commands, *command);
    addRbac(commands, *command);
    addConfig(commands, *command);
}

}  // namespace fairlead::cli
