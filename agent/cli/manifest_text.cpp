#include "agent/cli/manifest_text.h"

#include <string_view>

#include "agent/config/values.h"

namespace fairlead::cli {
namespace {

using config::yamlQuoted;

constexpr const char* kControlPlaneHead =
    R"(# The static pod of fairlead. Put this file, the same on all of them, into /etc/kubernetes/manifests of every
# control-plane host. On the first one that is before `kubeadm init`: the VIP must be there before the API server.
apiVersion: v1
kind: Pod
metadata:
  name: %name%
  namespace: kube-system
  labels:
    app.kubernetes.io/name: fairlead
    tier: control-plane
spec:
  # The VIP, VRRP and the balancer belong to the host.
)";

constexpr const char* kWorkerHead =
    R"(# fairlead as the balancer of a worker, which gives the host's own clients every API server at one loopback address.
# Put this file, the same on all of them, into /etc/kubernetes/manifests of the workers.
apiVersion: v1
kind: Pod
metadata:
  name: %name%
  namespace: kube-system
  labels:
    app.kubernetes.io/name: fairlead
    tier: node
spec:
  # The balancer listens on the host's loopback address.
)";

constexpr const char* kSpec = R"(  hostNetwork: true
  # Not evicted, and the last one to be killed when memory runs short.
  priorityClassName: system-node-critical
  # Static pods have no ServiceAccount; the identity is a kubeconfig under /etc/kubernetes.
  automountServiceAccountToken: false
  # The VIP is given up in milliseconds; the rest is for what is still open.
  terminationGracePeriodSeconds: 10
  securityContext:
    seccompProfile:
      type: RuntimeDefault
  containers:
  - name: fairlead
)";

constexpr const char* kEnvironment = R"(    env:
    - name: NODE_NAME
      valueFrom:
        fieldRef:
          fieldPath: spec.nodeName
    - name: HOST_IP
      valueFrom:
        fieldRef:
          fieldPath: status.hostIP
)";

constexpr const char* kResources =
    R"(    # No CPU limit: who is throttled answers late, and an election that comes too late moves the VIP.
    resources:
      requests:
        cpu: 50m
        memory: 64Mi
      limits:
        memory: 256Mi
)";

constexpr const char* kControlPlaneRights =
    R"(    securityContext:
      # A user other than root isn't given the capabilities below.
      runAsUser: 0
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop:
        - ALL
        add:
        - NET_ADMIN  # adds and removes the VIP
        - NET_RAW    # VRRP and gratuitous ARP
        - SYS_NICE   # real-time scheduling of the election, so that a busy host doesn't lose the VIP
        - IPC_LOCK   # its memory is never swapped out, for the same reason
)";

constexpr const char* kWorkerRights = R"(    securityContext:
      # The kubeconfig is root's alone; no capability is needed.
      runAsUser: 0
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop:
        - ALL
)";

constexpr const char* kVolumes =
    R"(    volumeMounts:
    # The directory and not the files in it: they don't exist yet when the first host starts, and are replaced
    # when certificates are renewed.
    - name: kubernetes
      mountPath: /etc/kubernetes
      readOnly: true
    - name: state
      mountPath: /var/lib/fairlead
  volumes:
  - name: kubernetes
    hostPath:
      path: /etc/kubernetes
      type: Directory
  - name: state
    hostPath:
      path: /var/lib/fairlead
      type: DirectoryOrCreate
)";

std::string probe(const std::string& name, const std::string& path, const lb::Endpoint& admin, bool tls,
                  const std::string& timing) {
    const std::string host = admin.address.is_unspecified() ? (admin.address.is_v6() ? "::1" : "127.0.0.1")
                                                            : admin.address.to_string();
    return "    " + name + ":\n      httpGet:\n        host: " + yamlQuoted(host) +
           "\n        port: " + std::to_string(admin.port) + "\n        path: " + path + "\n" +
           (tls ? "        scheme: HTTPS\n" : "") + timing;
}

}  // namespace

std::string podManifest(const PodOptions& options) {
    const bool worker = options.role == Role::Worker;
    std::string text = worker ? kWorkerHead : kControlPlaneHead;
    constexpr std::string_view kName = "%name%";
    text.replace(text.find(kName), kName.size(), options.name);
    text += kSpec;
    text += "    image: " + yamlQuoted(options.image) +
            "\n    imagePullPolicy: IfNotPresent\n    args:\n    - \"run\"\n";
    for (const std::string& argument : options.arguments)
        text += "    - " + yamlQuoted(argument) + "\n";
    text += kEnvironment;
    text += probe("livenessProbe", "/healthz", options.admin, options.adminTls,
                  "      initialDelaySeconds: 10\n      periodSeconds: 10\n      timeoutSeconds: 5\n      "
                  "failureThreshold: 6\n");
    text += probe("readinessProbe", "/readyz", options.admin, options.adminTls,
                  "      periodSeconds: 5\n      timeoutSeconds: 2\n");
    return text + kResources + (worker ? kWorkerRights : kControlPlaneRights) + kVolumes;
}

std::string rbacManifest(kubernetes::Source source, bool events) {
    const bool nodes = source == kubernetes::Source::Nodes;
    // Events about Nodes are in the namespace default, as are the slices of the API servers.
    const std::string space = nodes ? "" : "\n  namespace: default";
    const std::string prefix = nodes ? "Cluster" : "";
    std::string text = std::string("# What fairlead may do in the cluster: read ") +
                       (nodes ? "Nodes" : "the EndpointSlices of the namespace default");
    text += events ? ", and tell of the VIP by Events; nothing else.\n" : "; nothing else.\n";
    text += std::string("#\n#   fairlead manifest rbac") + (nodes ? "" : " --source endpointslices") +
            R"( | kubectl apply -f -
#
# Its identity, on every control-plane host (older kubeadm also wants --config FILE):
#
#   (umask 077; kubeadm kubeconfig user --client-name fairlead > /etc/kubernetes/fairlead.conf)
#
# It is valid for a year, and `kubeadm certs renew` doesn't know it: make it anew in time. The agent warns from 30 days
# before, takes up the new file by itself, and falls back on admin.conf once the old one has expired.
apiVersion: rbac.authorization.k8s.io/v1
kind: )" + prefix +
            R"(Role
metadata:
  name: fairlead)" +
            space + R"(
rules:
- apiGroups: [)" +
            (nodes ? "\"\"" : "\"discovery.k8s.io\"") + R"(]
  resources: [)" +
            (nodes ? "\"nodes\"" : "\"endpointslices\"") + R"(]
  verbs: ["get", "list", "watch"]
)";
    if (events) {
        text += R"(- apiGroups: [""]
  resources: ["events"]
  verbs: ["create"]
)";
    }
    return text + R"(---
apiVersion: rbac.authorization.k8s.io/v1
kind: )" + prefix +
           R"(RoleBinding
metadata:
  name: fairlead)" +
           space + R"(
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: )" +
           prefix + R"(Role
  name: fairlead
subjects:
- apiGroup: rbac.authorization.k8s.io
  kind: User
  name: fairlead
)";
}

}  // namespace fairlead::cli
