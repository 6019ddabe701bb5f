#include "agent/cli/manifest.h"

#include <ostream>

#include "agent/cli/cli.h"
#include "agent/config/render.h"
#include "agent/version.h"

namespace fairlead::cli {
namespace {

/// In double quotes, as YAML and JSON read them.
std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += c;
    }
    return result + "\"";
}

}  // namespace

std::string podManifest(const std::string& image, const lb::Endpoint& admin, const std::vector<std::string>& arguments) {
    std::string args;
    for (const std::string& argument : arguments) args += "    - " + quoted(argument) + "\n";
    const std::string probe = "      httpGet: {host: " + admin.address.to_string() + ", port: " + std::to_string(admin.port) + ", path: ";
    return R"(# Put this file into /etc/kubernetes/manifests of every control-plane host; it is the same on all of them.
apiVersion: v1
kind: Pod
metadata:
  name: fairlead
  namespace: kube-system
  labels: {app.kubernetes.io/name: fairlead, tier: control-plane}
spec:
  hostNetwork: true
  # Neither evicted nor killed for memory before the API server itself.
  priorityClassName: system-node-critical
  automountServiceAccountToken: false
  # The agent gives the VIP up within milliseconds; the rest is for open connections.
  terminationGracePeriodSeconds: 10
  securityContext:
    seccompProfile: {type: RuntimeDefault}
  containers:
  - name: fairlead
    image: )" + quoted(image) +
           R"(
    args:
    - "run"
)" + args +
           R"(    env:
    - name: NODE_NAME
      valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
    - name: HOST_IP
      valueFrom: {fieldRef: {fieldPath: status.hostIP}}
    livenessProbe:
)" + probe + R"(/healthz}
      initialDelaySeconds: 10
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
)" + probe + R"(/readyz}
      periodSeconds: 5
    # No CPU limit: a throttled election loses the VIP.
    resources:
      requests: {cpu: 50m, memory: 64Mi}
      limits: {memory: 256Mi}
    securityContext:
      runAsUser: 0
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
        # NET_ADMIN: the VIP. NET_RAW: VRRP and gratuitous ARP. SYS_NICE: real-time scheduling of the election.
        # IPC_LOCK: its memory is never swapped out.
        add: [NET_ADMIN, NET_RAW, SYS_NICE, IPC_LOCK]
    volumeMounts:
    # The directory and not the files: they don't exist yet when the first host starts.
    - {name: kubernetes, mountPath: /etc/kubernetes, readOnly: true}
    - {name: state, mountPath: /var/lib/fairlead}
  volumes:
  - name: kubernetes
    hostPath: {path: /etc/kubernetes, type: Directory}
  - name: state
    hostPath: {path: /var/lib/fairlead, type: DirectoryOrCreate}
)";
}

std::string rbacManifest() {
    return R"(# The rights that fairlead needs: to read Nodes, nothing else. Its identity on each control-plane host:
#   kubeadm kubeconfig user --client-name fairlead > /etc/kubernetes/fairlead.conf
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: fairlead
rules:
- apiGroups: [""]
  resources: ["nodes"]
  verbs: ["get", "list", "watch"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: fairlead
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: fairlead
subjects:
- apiGroup: rbac.authorization.k8s.io
  kind: User
  name: fairlead
)";
}

void addManifest(Commands& commands) {
    CLI::App* command = commands.app.add_subcommand("manifest", "Print YAML to install from");
    command->require_subcommand(1);
    command->footer(
        "Examples:\n"
        "  fairlead manifest pod --vip 10.10.1.108 > /etc/kubernetes/manifests/fairlead.yaml\n"
        "  fairlead manifest rbac | kubectl apply -f -\n"
        "  fairlead manifest config --vip 10.10.1.108 > fairlead.yaml");

    CLI::App* pod = command->add_subcommand("pod", "The static pod, the same for every control-plane host");
    pod->footer(
        "Examples:\n"
        "  fairlead manifest pod --vip 10.10.1.108 --image registry.example/fairlead:0.1.0\n"
        "The flags given here become the agent's arguments. With --config FILE the agent reads that file on the host, so it must\n"
        "lie under /etc/kubernetes.");
    const auto flags = std::make_shared<ConfigurationFlags>(*pod);
    const auto image = std::make_shared<std::string>(std::string("fairlead:") + kVersion);
    pod->add_option("--image", *image, "The container image")->capture_default_str();
    pod->callback([&commands, flags, image] {
        commands.chosen = [&commands, flags, image] {
            // What the agent would refuse on the host is refused here.
            const auto configuration = flags->load(commands.streams.err);
            if (!configuration) return kWrong;
            std::vector<std::string> arguments = flags->asArguments();
            if (!flags->file().empty()) arguments.insert(arguments.begin(), "--config=" + flags->file());
            commands.streams.out << podManifest(*image, configuration->admin, arguments);
            return kDone;
        };
    });

    CLI::App* rbac = command->add_subcommand("rbac", "A ClusterRole that may read Nodes, and its binding");
    rbac->callback([&commands] {
        commands.chosen = [&commands] {
            commands.streams.out << rbacManifest();
            return kDone;
        };
    });

    CLI::App* configCommand = command->add_subcommand("config", "A configuration file with every key and what it means");
    const auto configFlags = std::make_shared<ConfigurationFlags>(*configCommand);
    configCommand->callback([&commands, configFlags] {
        commands.chosen = [&commands, configFlags] {
            const auto configuration = configFlags->load(commands.streams.err);
            if (!configuration) return kWrong;
            commands.streams.out << config::renderYaml(*configuration, config::Comments::Help);
            return kDone;
        };
    });
}

}  // namespace fairlead::cli
