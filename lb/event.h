#pragma once
// What the balancer tells its owner: one event per happening, with its cause. The owner turns events into log
// lines; the balancer itself never logs.

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace fairlead::lb {

enum class Severity : std::uint8_t { Info, Warning, Error };

struct Event {
    Severity severity = Severity::Info;
    std::string message;  ///< what happened, e.g. "backend down"
    std::vector<std::pair<std::string, std::string>>
        fields;  ///< e.g. {"backend","10.10.1.83:6443"}, {"cause","…"}
};

/// Called on the thread where it happened: it must be thread-safe and must not block.
using EventSink = std::function<void(Event)>;

}  // namespace fairlead::lb
