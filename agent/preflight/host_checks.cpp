#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/timex.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>

#include "agent/checks/listening_ports.h"
#include "agent/files/small_file.h"
#include "agent/net/descriptor.h"
#include "agent/net/socket_address.h"
#include "agent/net/system_error.h"
#include "agent/preflight/checks.h"
#include "lb/kernel/forwarding.h"

namespace fairlead::preflight {
namespace {

void checkCapabilities(Findings& findings) {
    struct Need {
        const char* name;
        const char* why;
        int capability;
        Severity severity;
    };
    const Need needs[] = {
        {"CAP_NET_ADMIN", "the VIP can't be put on the interface", CAP_NET_ADMIN, Severity::Error},
        {"CAP_NET_RAW", "VRRP can't be spoken", CAP_NET_RAW, Severity::Error},
        {"CAP_SYS_NICE", "on a busy host the election may come late, and the VIP move", CAP_SYS_NICE,
         Severity::Warning},
        {"CAP_IPC_LOCK", "the election's memory may be swapped out, and the VIP move", CAP_IPC_LOCK,
         Severity::Warning},
    };
    for (const Need& need : needs) {
        if (net::hasCapability(need.capability)) continue;
        findings.push_back(
            {.severity = need.severity,
             .id = "capability",
             .what = std::string(need.name) + " is missing",
             .why = need.why,
             .fix = "run as root; in a pod take securityContext from `fairlead manifest pod`"});
    }
}

/// The inodes of the sockets that have a port: proc(5), /proc/net/tcp. Of TCP those alone that listen.
std::set<std::string> socketsAt(const std::string& protocol, std::uint16_t port) {
    std::set<std::string> inodes;
    for (const char* version : {"", "6"}) {
        std::ifstream file("/proc/net/" + protocol + version);
        std::string line;
        std::getline(file, line);
        while (std::getline(file, line)) {
            std::istringstream words(line);
            std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
            words >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >>
                inode;
            const std::size_t colon = local.rfind(':');
            constexpr const char* kListen = "0A";
            if ((state == kListen || protocol == "udp") && colon != std::string::npos &&
                std::strtoul(local.c_str() + colon + 1, nullptr, 16) == port)
                inodes.insert("socket:[" + inode + "]");
        }
    }
    return inodes;
}

/// "haproxy (pid 812)" of the first process that has one of these sockets; empty if it can't be seen.
std::string ownerOf(const std::set<std::string>& sockets) {
    std::error_code ignored;
    for (const auto& process : std::filesystem::directory_iterator("/proc", ignored)) {
        const std::string pid = process.path().filename();
        if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
        std::filesystem::directory_iterator descriptors(process.path() / "fd", ignored);
        for (; !ignored && descriptors != std::filesystem::directory_iterator();
             descriptors.increment(ignored)) {
            std::error_code gone;
            const std::string target = std::filesystem::read_symlink(descriptors->path(), gone);
            if (gone || !sockets.contains(target)) continue;
            std::string name;
            std::getline(std::ifstream(process.path() / "comm"), name);
            return name + " (pid " + pid + ")";
        }
        ignored.clear();
    }
    return "";
}

std::string takenBy(const std::string& what, std::uint16_t port, const std::string& key,
                    const std::string& owner) {
    return what + std::to_string(port) + " (" + key + ") is taken by " +
           (owner.empty() ? "a process that can't be seen from here" : owner);
}

void checkPort(std::uint16_t port, const std::string& key, Findings& findings) {
    const auto taken = checks::isListening(port);
    if (!taken || !*taken) return;
    findings.push_back({.severity = Severity::Error,
                        .id = "portInUse",
                        .what = takenBy("port ", port, key, ownerOf(socketsAt("tcp", port))),
                        .why = "the agent can't listen there and won't start",
                        .fix = "stop it, or set " + key + " to another port"});
}

/// Whether the election couldn't have it (net/peer_socket.h).
bool udpPortTaken(std::uint16_t port, bool ipv6, const std::string& interface) {
    const net::Descriptor socket(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return false;
    const int alone = 1;
    if (ipv6) setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &alone, sizeof alone);
    setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
               static_cast<socklen_t>(interface.size()));
    const boost::asio::ip::address any =
        ipv6 ? boost::asio::ip::address(boost::asio::ip::address_v6()) : boost::asio::ip::address_v4();
    const net::SocketAddress where = net::toSocketAddress(any, port, 0);
    return bind(socket.get(), where.get(), where.size) < 0 && errno == EADDRINUSE;
}

/// Between the peers.
void checkPeerPort(const config::Configuration& configuration, Findings& findings) {
    for (const vrrp::RouterOptions& router : config::routers(configuration)) {
        const std::uint16_t port = router.peerPort;
        if (port == 0 || !udpPortTaken(port, router.ipv6(), configuration.vip.interface)) continue;
        findings.push_back(
            {.severity = Severity::Warning,
             .id = "portInUse",
             .what = takenBy("UDP port ", port, "vrrp.peerPort", ownerOf(socketsAt("udp", port))),
             .why = "fairlead's hosts won't know of this one before it holds the VIP, and a hand-over "
                    "takes the skew time longer",
             .fix = "stop it, or set vrrp.peerPort to another port on all hosts"});
        return;
    }
}

void checkPorts(const config::Configuration& configuration, Findings& findings) {
    std::set<std::uint16_t> ports;
    for (const lb::Endpoint& listener : configuration.loadBalancer.bind) {
        if (configuration.inKernel()) break;  // nothing listens there
        if (ports.insert(listener.port).second) checkPort(listener.port, "loadBalancer.bind", findings);
    }
    if (ports.insert(configuration.admin.port).second)
        checkPort(configuration.admin.port, "admin.bind", findings);
    checkPeerPort(configuration, findings);
}

/// nat passes packets on.
void checkForwarding(const config::Configuration& configuration, Findings& findings) {
    const bool automatic = configuration.dataPath == config::DataPath::Auto;
    if (configuration.dataPath != config::DataPath::Nat && !automatic) return;
    std::set<lb::Family> missing;
    for (const auto& vip : configuration.vip.addresses) {
        const lb::Family family = vip.is_v6() ? lb::Family::Ipv6 : lb::Family::Ipv4;
        if (lb::forwards(family) || !missing.insert(family).second) continue;
        const std::string setting = lb::forwardingSetting(family);
        findings.push_back({.severity = automatic ? Severity::Note : Severity::Error,
                            .id = "forwarding",
                            .what = setting + " is 0: this host passes no packets on",
                            .why = automatic ? "dataPath: auto takes proxy in place of nat"
                                             : "dataPath: nat can't work, and the agent won't start",
                            .fix = "sysctl -w " + setting + "=1, and keep it in /etc/sysctl.d"});
    }
}

int kernelSetting(const std::string& name) {
    const auto content = files::readSmallFile("/proc/sys/" + name);
    return content ? std::atoi(content->text.c_str()) : 0;
}

void checkReversePath(const config::Configuration& configuration, Findings& findings) {
    const std::string interface = configuration.vip.interface;
    // The greater of the two holds: ip-sysctl.
    const int mode = std::max(kernelSetting("net/ipv4/conf/all/rp_filter"),
                              kernelSetting("net/ipv4/conf/" + interface + "/rp_filter"));
    if (interface.empty() || mode != 1) return;
    findings.push_back(
        {.severity = Severity::Note,
         .id = "reversePathFilter",
         .what = "rp_filter is strict (1) for " + interface,
         .why = "where hosts answer clients by another interface than they are asked on, packets to the VIP "
                "are dropped",
         .fix = "with one interface nothing; else sysctl -w net.ipv4.conf." + interface + ".rp_filter=2"});
}

/// adjtimex(2)
bool clockIsKept() {
    timex clock{};
    const int state = adjtimex(&clock);
    return state >= 0 && (clock.status & STA_UNSYNC) == 0;
}

}  // namespace

std::optional<Finding> clockFinding(bool synchronised, bool hmac) {
    if (synchronised) return std::nullopt;
    return Finding{.severity = hmac ? Severity::Warning : Severity::Note,
                   .id = "clock",
                   .what = "nothing keeps this host's clock right",
                   .why = hmac ? "beyond vrrp.authentication.window of difference the hosts reject "
                                 "each other's advertisements"
                               : "certificates are checked against it; the election doesn't need it",
                   .fix = "apt install chrony"};
}

void checkHost(const config::Configuration& configuration, bool agentRuns, Findings& findings) {
    if (!configuration.vip.addresses.empty()) checkCapabilities(findings);
    if (!agentRuns) checkPorts(configuration, findings);
    if (!configuration.vip.addresses.empty()) checkReversePath(configuration, findings);
    checkForwarding(configuration, findings);
    const bool hmac = configuration.vrrp.authentication == vrrp::Authentication::Hmac;
    if (const auto finding = clockFinding(clockIsKept(), hmac)) findings.push_back(*finding);
}

}  // namespace fairlead::preflight
