#include "agent/balancer_log.h"

#include <chrono>
#include <string>
#include <vector>

#include "agent/log/log.h"

namespace fairlead {

void logBalancerEvent(const lb::Event& event) {
    std::vector<logging::Field> fields;
    fields.reserve(event.fields.size());
    for (const auto& [key, value] : event.fields)
        fields.emplace_back(key, value);
    const logging::Level level = event.severity == lb::Severity::Error     ? logging::Level::Error
                                 : event.severity == lb::Severity::Warning ? logging::Level::Warning
                                                                           : logging::Level::Info;
    logging::log(level, "balancer", event.message, fields);
}

void logAccess(const lb::AccessRecord& record) {
    const auto text = [](const auto& endpoint) {
        return endpoint ? lb::toString(*endpoint) : std::string("-");
    };
    const auto seconds = [](std::chrono::microseconds time) {
        return std::to_string(std::chrono::duration<double>(time).count());
    };
    logging::info("access", "connection ended",
                  {{"client", lb::toString(record.client)},
                   {"backend", text(record.backend)},
                   {"end", lb::toString(record.end)},
                   {"state", lb::terminationState(record.end, record.backend.has_value())},
                   {"connectSeconds", record.connected ? seconds(*record.connected) : "-"},
                   {"seconds", seconds(record.lasted)},
                   {"toBackend", record.toBackend},
                   {"toClient", record.toClient},
                   {"retries", record.retries},
                   {"open", record.open}});
}

}  // namespace fairlead
