#include "lb/kernel/figures.h"

#include <exception>
#include <map>

#include "lb/kernel/nft_counters.h"
#include "lb/kernel/rules_text.h"

namespace fairlead::lb {

ProxyStatistics readFigures(const Ruleset& ruleset, const std::string& table, FlowEnder& flows,
                            const EventSink& sink) {
    std::map<Endpoint, BackendStatistics> backends;
    ProxyStatistics next;
    for (const std::string& family : ruleset.counted()) {
        const auto counters = readCounters(family, table);
        if (!counters) {
            sink({.severity = Severity::Warning,
                  .message = "connections can't be counted",
                  .fields = {{"cause", counters.error()}}});
            continue;
        }
        for (const auto& [name, counter] : *counters) {
            if (name == rules::kRefused) next.refused += counter.packets;
            for (const auto& [kind, endpoint] : rules::parseCounterName(name)) {
                BackendStatistics& backend = backends[endpoint];
                if (kind == rules::kOpened) backend.total = counter.packets;
                if (kind == rules::kToBackend) backend.bytesToBackend = counter.bytes;
                if (kind == rules::kToClient) backend.bytesToClient = counter.bytes;
            }
        }
    }
    try {
        for (const Flow& flow : flows.flows()) {
            if (flow.open) ++backends[flow.backend].open;
        }
    } catch (const std::exception& error) {
        sink({.severity = Severity::Warning,
              .message = "connections can't be counted",
              .fields = {{"cause", error.what()}}});
    }
    for (auto& [endpoint, backend] : backends) {
        backend.endpoint = endpoint;
        next.accepted += backend.total;
        next.open += backend.open;
        next.backends.push_back(backend);
    }
    next.accepted += next.refused;
    next.reset = flows.ended();
    return next;
}

}  // namespace fairlead::lb
