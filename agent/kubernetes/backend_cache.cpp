#include "agent/kubernetes/backend_cache.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>

#include "agent/files/replace_file.h"
#include "agent/files/small_file.h"

namespace fairlead::kubernetes {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr std::size_t kMostBackends = 1000;

/// For people who look into the file; nothing reads it.
std::string now() {
    const std::time_t time = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    std::tm utc{};
    gmtime_r(&time, &utc);
    char text[sizeof "9999-12-31T23:59:59Z"];
    return {text, std::strftime(text, sizeof text, "%FT%TZ", &utc)};
}

const std::string* textAt(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() ? found->get_ptr<const std::string*>() : nullptr;
}

}  // namespace

std::expected<std::vector<lb::Backend>, std::string> parseBackendCache(std::string_view text) {
    const Json root = Json::parse(text, nullptr, false);
    if (!root.is_object()) return std::unexpected("is not a JSON object");
    const auto version = root.find("version");
    if (version == root.end() || *version != kVersion)
        return std::unexpected("has a version that this agent doesn't know");
    const auto list = root.find("backends");
    if (list == root.end() || !list->is_array() || list->size() > kMostBackends)
        return std::unexpected("has no usable list of backends");
    std::vector<lb::Backend> members;
    for (const Json& item : *list) {
        const std::string* endpointText = item.is_object() ? textAt(item, "endpoint") : nullptr;
        const std::string* name = item.is_object() ? textAt(item, "name") : nullptr;
        if (!endpointText || !name) return std::unexpected("has a backend without endpoint or name");
        const auto endpoint = lb::parseEndpoint(*endpointText);
        if (!endpoint || endpoint->port == 0) return std::unexpected("has a backend at an unusable endpoint");
        members.push_back({.endpoint = *endpoint, .name = *name});
    }
    return members;
}

std::expected<std::vector<lb::Backend>, std::string> loadBackendCache(const std::string& file) {
    const auto text = files::readSmallFile(file);
    if (!text) {
        if (text.error().code == ENOENT) return std::vector<lb::Backend>{};
        return std::unexpected(text.error().text);
    }
    auto members = parseBackendCache(text->text);
    if (!members) return std::unexpected(file + ": " + members.error());
    return members;
}

std::expected<void, std::string> saveBackendCache(const std::string& file,
                                                  const std::vector<lb::Backend>& members) {
    Json root{{"version", kVersion}, {"savedAt", now()}, {"backends", Json::array()}};
    // More than can be loaded again would be lost altogether.
    for (std::size_t i = 0; i < std::min(members.size(), kMostBackends); ++i) {
        root["backends"].push_back(
            {{"endpoint", lb::toString(members[i].endpoint)}, {"name", members[i].name}});
    }
    const std::string text = root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";

    return files::replaceFile(file, text, files::Durability::Host);
}

}  // namespace fairlead::kubernetes
