#include "agent/config/key_access.h"
#include "agent/config/key_sections.h"

namespace fairlead::config {
namespace {

constexpr Words<logging::Format> kFormats{{"text", logging::Format::Text}, {"json", logging::Format::Json}};
constexpr Words<logging::Level> kLevels{{"debug", logging::Level::Debug},
                                        {"info", logging::Level::Info},
                                        {"warning", logging::Level::Warning},
                                        {"error", logging::Level::Error}};

}  // namespace

void addLoggingKeys(std::vector<Key>& table) {
    table.push_back(withWord(Key{.path = "logging.format",
                                 .flag = "--log-format",
                                 .type = "text or json",
                                 .help = "klog-like lines, or one JSON object per line."},
                             FAIRLEAD_FIELD(logging.format), kFormats));
    table.push_back(withWord(Key{.path = "logging.level",
                                 .flag = "--log-level",
                                 .type = "debug, info, warning or error",
                                 .help = "The least severe lines that are written."},
                             FAIRLEAD_FIELD(logging.level), kLevels));
    table.push_back(
        withText(Key{.path = "logging.historyFile",
                     .flag = "--history-file",
                     .type = "file",
                     .help = "Where what `fairlead explain` tells is kept over restarts; empty: nowhere."},
                 FAIRLEAD_FIELD(logging.historyFile)));
}

}  // namespace fairlead::config
