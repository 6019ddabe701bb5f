#include "agent/history/history.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <ctime>
#include <utility>

namespace fairlead::history {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMicroseconds = 1'000'000;

std::string timeText(std::int64_t when) {
    const auto seconds = static_cast<std::time_t>(when / kMicroseconds);
    const auto milliseconds = static_cast<int>(when % kMicroseconds / 1000);
    std::tm utc{};
    if (when < 0 || !gmtime_r(&seconds, &utc)) return "-";
    char text[sizeof "2026-11-24T14:37:58"];
    if (std::strftime(text, sizeof text, "%FT%T", &utc) == 0) return "-";
    const std::string digits = std::to_string(milliseconds);
    return text + ("." + std::string(3 - digits.size(), '0') + digits) + "Z";
}

void cut(std::string& text, std::size_t& left) {
    if (text.size() > left) text.resize(left);
    left -= text.size();
}

std::string levelName(logging::Level level) {
    switch (level) {
        case logging::Level::Debug:
            return "debug";
        case logging::Level::Info:
            return "info";
        case logging::Level::Warning:
            return "warning";
        case logging::Level::Error:
            break;
    }
    return "error";
}

logging::Level levelOf(const std::string& name) {
    for (const auto level : {logging::Level::Debug, logging::Level::Info, logging::Level::Warning}) {
        if (levelName(level) == name) return level;
    }
    return logging::Level::Error;
}

std::string textAt(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

void History::add(Entry entry) {
    std::size_t left = kMostBytes;
    cut(entry.component, left);
    cut(entry.message, left);
    for (logging::Field& field : entry.fields) {
        cut(field.key, left);
        cut(field.value, left);
    }
    std::erase_if(entry.fields, [](const logging::Field& field) { return field.key.empty(); });
    entries_.push_back(std::move(entry));
    if (entries_.size() > kMostEntries) entries_.pop_front();
}

std::string toJson(const History& history) {
    std::string text = "[";
    const char* separator = "\n";
    for (const Entry& entry : history.entries()) {
        Json fields = Json::object();
        for (const logging::Field& field : entry.fields)
            fields[field.key] = field.value;
        const Json json{{"time", timeText(entry.when)},    {"microseconds", entry.when},
                        {"level", levelName(entry.level)}, {"component", entry.component},
                        {"message", entry.message},        {"fields", std::move(fields)}};
        text += separator + json.dump(-1, ' ', false, Json::error_handler_t::replace);
        separator = ",\n";
    }
    return text + "\n]\n";
}

std::expected<History, std::string> fromJson(std::string_view text) {
    const Json root = Json::parse(text, nullptr, false);
    if (!root.is_array()) return std::unexpected("is not a JSON list");
    History history;
    for (const Json& item : root) {
        const auto when = item.is_object() ? item.find("microseconds") : item.end();
        if (!item.is_object() || when == item.end() || !when->is_number_integer())
            return std::unexpected("has an entry without a time");
        Entry entry{.when = when->get<std::int64_t>(),
                    .level = levelOf(textAt(item, "level")),
                    .component = textAt(item, "component"),
                    .message = textAt(item, "message"),
                    .fields = {}};
        if (const auto fields = item.find("fields"); fields != item.end() && fields->is_object()) {
            for (const auto& [key, value] : fields->items()) {
                if (value.is_string()) entry.fields.emplace_back(key, value.get<std::string>());
            }
        }
        history.add(std::move(entry));
    }
    return history;
}

std::string toText(const History& history) {
    std::string text;
    for (const Entry& entry : history.entries()) {
        const std::string line = logging::formatLine(logging::Format::Text, entry.when, entry.level,
                                                     entry.component, entry.message, entry.fields);
        // The log's own line, with the whole date in UTC in place of its header.
        const std::size_t body = line.find("] ");
        text += timeText(entry.when) + "  " + entry.component + ": " +
                (body == std::string::npos ? line : line.substr(body + 2)) + '\n';
    }
    return text;
}

}  // namespace fairlead::history
