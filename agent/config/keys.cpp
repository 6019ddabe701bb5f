#include "agent/config/keys.h"

#include "agent/config/key_access.h"
#include "agent/config/key_sections.h"

namespace fairlead::config {
namespace {

/// Accepts one value alone.
Key withConstant(Key key, const char* available) {
    key.set = [available](Configuration&, const std::string& text) -> Parsed<void> {
        if (text == available) return {};
        return std::unexpected(quoted(text) + " is not known; the only value is " + available);
    };
    key.get = [available](const Configuration&) { return Texts{available}; };
    return key;
}

void addHead(std::vector<Key>& table) {
    table.push_back(withConstant({.path = "apiVersion",
                                  .type = "fairlead.dev/v1alpha1",
                                  .help = "The version of this format. Required in a file."},
                                 "fairlead.dev/v1alpha1"));
    table.push_back(withConstant(
        {.path = "kind", .type = "FairleadConfiguration", .help = "What this file is. Required in a file."},
        "FairleadConfiguration"));
    table.push_back(withText(Key{.path = "nodeName",
                                 .flag = "--node-name",
                                 .type = "text",
                                 .help = "This host's name in log and status.",
                                 .whenAbsent = "$NODE_NAME, then the host name"},
                             FAIRLEAD_FIELD(nodeName)));
}

}  // namespace

const std::vector<Key>& keys() {
    static const std::vector<Key> table = [] {
        std::vector<Key> made;
        addHead(made);
        addVipKeys(made);
        addVrrpKeys(made);
        addLoadBalancerKeys(made);
        addHealthCheckKeys(made);
        addBackendKeys(made);
        addAdminKeys(made);
        addSecurityKeys(made);
        addLoggingKeys(made);
        return made;
    }();
    return table;
}

Configuration defaults() {
    Configuration c;
    c.loadBalancer.bind = {{.address = boost::asio::ip::address_v4::any(), .port = 16443}};
    c.healthCheck.caFile = "/etc/kubernetes/pki/ca.crt";
    c.backends.kubernetes.kubeconfig = {"/etc/kubernetes/fairlead.conf", "/etc/kubernetes/admin.conf",
                                        "/etc/kubernetes/super-admin.conf"};
    c.admin = {.address = boost::asio::ip::address_v4::loopback(), .port = 16444};
    return c;
}

checks::CheckOptions defaultCheck(std::uint16_t balancerPort) {
    return {.name = "lb", .target = checks::ListeningPort{balancerPort}, .weight = 11};
}

}  // namespace fairlead::config
