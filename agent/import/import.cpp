#include "agent/import/import.h"

#include "agent/config/parse.h"
#include "agent/import/draft.h"
#include "agent/import/haproxy_import.h"
#include "agent/import/haproxy_parser.h"
#include "agent/import/keepalived_import.h"
#include "agent/import/keepalived_parser.h"

namespace fairlead::importing {
namespace {

Draft draftOf(const SourceFile& keepalived, const SourceFile& haproxy, const Includes& includes) {
    Draft draft;
    const HaproxyFile balancer = parseHaproxy(haproxy);
    importKeepalived(parseKeepalived(keepalived, includes), balancerPort(balancer), draft);
    importHaproxy(balancer, draft);
    return draft;
}

std::string valueOf(const Draft& draft, const std::string& path, const std::string& otherwise) {
    const auto found = draft.values.find(path);
    return found == draft.values.end() ? otherwise : found->second.text;
}

}  // namespace

Imported importPair(const SourceFile& keepalived, const SourceFile& haproxy, const Includes& includes) {
    const Draft draft = draftOf(keepalived, haproxy, includes);
    Imported result{.configuration = render(draft), .errors = draft.errors};
    // What would be refused later is said now.
    if (result.errors.empty()) {
        for (const std::string& error : config::parse(result.configuration, "the result", {}).errors)
            result.errors.push_back(error);
    }
    return result;
}

std::string cutoverPlan(const SourceFile& keepalived, const SourceFile& haproxy, const Includes& includes) {
    const Draft draft = draftOf(keepalived, haproxy, includes);
    const std::string vip = valueOf(draft, "vip.addresses", "[VIP]");
    const std::string address = vip.substr(1, vip.find_first_of(",]") - 1);
    const std::string bind = valueOf(draft, "loadBalancer.bind", "\"0.0.0.0:16443\"");
    const std::string port = bind.substr(bind.rfind(':') + 1, bind.rfind('"') - bind.rfind(':') - 1);
    const std::string vrid = valueOf(draft, "vrrp.virtualRouterID", "51");
    return "Moving " + address + " (virtual router " + vrid +
           ") from keepalived and HAProxy to fairlead, one host after the other.\n"
           "fairlead joins the running group: it speaks the same VRRP, so there is one holder at every "
           "moment.\n"
           "\n"
           "On each host, the one that holds the VIP last (`ip address show to " +
           address +
           "` tells):\n"
           "\n"
           "1. Write the configuration and check it.\n"
           "     fairlead import keepalived.conf haproxy.cfg > /etc/kubernetes/fairlead.yaml\n"
           "     fairlead validate --config /etc/kubernetes/fairlead.yaml\n"
           "2. Stop keepalived. If this host holds the VIP, a peer takes it within keepalived's own stop.\n"
           "     systemctl disable --now keepalived\n"
           "3. Stop HAProxy, whose port " +
           port +
           " fairlead takes. This host's balancer serves nobody now: the VIP is elsewhere.\n"
           "     systemctl disable --now haproxy\n"
           "4. Start fairlead.\n"
           "     fairlead manifest pod --config /etc/kubernetes/fairlead.yaml --image IMAGE > "
           "/etc/kubernetes/manifests/fairlead.yaml\n"
           "5. See that it takes part: BACKUP or MASTER, the peers heard, the backends up, nothing "
           "rejected.\n"
           "     fairlead status\n"
           "     curl -k https://127.0.0.1:" +
           port +
           "/readyz\n"
           "\n"
           "Back again, at any step: move the manifest away, start HAProxy and keepalived.\n"
           "When all hosts run fairlead: vrrp.version: 3 and a shorter advertInterval make it faster; change "
           "them on all hosts\n"
           "within one maintenance window, since version 2 and 3 don't hear each other.\n";
}

}  // namespace fairlead::importing
