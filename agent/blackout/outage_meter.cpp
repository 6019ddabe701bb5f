#include "agent/blackout/outage_meter.h"

#include <utility>

namespace fairlead::blackout {

OutageMeter::OutageMeter(const lb::Endpoint& target, std::chrono::milliseconds interval) {
    status_.target = target;
    status_.interval = interval;
}

std::optional<Outage> OutageMeter::add(const ProbeResult& result) {
    if (status_.probes++ == 0) status_.since = result.sent;
    if (result.answered) return answered(result);
    failed(result);
    return std::nullopt;
}

void OutageMeter::failed(const ProbeResult& result) {
    if (!result.ownLinkDown) ++status_.failures;
    if (status_.answers == Answers::Unknown) return;
    if (!status_.current) {
        status_.answers = Answers::No;
        status_.since = result.sent;
        status_.current = Outage{.started = result.sent, .cause = result.detail};
    }
    Outage& outage = *status_.current;
    outage.ended = result.sent;
    outage.ownLink = outage.ownLink || result.ownLinkDown;
    ++outage.failures;
}

std::optional<Outage> OutageMeter::answered(const ProbeResult& result) {
    if (status_.answers != Answers::Yes) {
        status_.answers = Answers::Yes;
        status_.since = result.sent;
    }
    std::optional<Outage> ended = std::exchange(status_.current, std::nullopt);
    if (!ended) return std::nullopt;
    Outage& outage = *ended;
    outage.ended = result.sent;
    if (!outage.ownLink) {
        ++status_.outageCount;
        status_.outageTime += outage.length();
    }
    status_.outages.push_front(outage);
    if (status_.outages.size() > kKept) status_.outages.pop_back();
    return ended;
}

}  // namespace fairlead::blackout
