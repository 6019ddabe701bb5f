#include "lb/kernel/flow_ender.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "lb/local_clients.h"

namespace fairlead::lb {

FlowEnder::FlowEnder(const KernelOptions& options, const EventSink& sink) : options_(options), sink_(sink) {}

void FlowEnder::open() {
    conntrack_ = std::make_unique<Conntrack>();
    nudger_ = std::make_unique<Nudger>();
    if (!nudger_->problem().empty()) {
        tell(Severity::Warning, "idle clients of a backend that goes down will notice late",
             {{"cause", "raw socket: " + nudger_->problem()}});
    }
}

std::vector<Flow> FlowEnder::flows() {
    return conntrack_->flows(options_.services);
}

void FlowEnder::end(const char* why, const std::function<bool(const Flow&)>& chosen) {
    try {
        std::uint64_t open = 0;
        for (const Flow& flow : conntrack_->remove(options_.services, chosen)) {
            if (!flow.open) continue;
            ++open;
            nudger_->nudge(flow.service, flow.client);
            nudger_->nudge(flow.masquerade, flow.backend);
        }
        ended_ += open;
        if (open > 0)
            tell(Severity::Info, "connections reset", {{"count", std::to_string(open)}, {"cause", why}});
    } catch (const std::exception& error) {
        tell(Severity::Error, "connections can't be reset", {{"cause", error.what()}});
    }
}

void FlowEnder::endLocalClients(const std::vector<boost::asio::ip::address>& vips) {
    try {
        LocalClients localClients;
        for (const Flow& flow : conntrack_->flows(options_.services)) {
            if (std::ranges::find(vips, flow.client.address) != vips.end())
                localClients.end(flow.client, flow.service);
        }
    } catch (const std::exception& error) {
        tell(Severity::Warning, "clients on this host may not notice that the VIP has moved",
             {{"cause", error.what()}});
    }
}

void FlowEnder::forgetUnserved() {
    try {
        conntrack_->forgetUnserved(options_.services);
    } catch (const std::exception& error) {
        tell(Severity::Warning, "entries of conntrack are left behind", {{"cause", error.what()}});
    }
}

void FlowEnder::tell(Severity severity, std::string message,
                     std::vector<std::pair<std::string, std::string>> fields) const {
    sink_({.severity = severity, .message = std::move(message), .fields = std::move(fields)});
}

}  // namespace fairlead::lb
