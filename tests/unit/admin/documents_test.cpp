// docs/metrics.md and docs/status.md say what the agent in fact gives.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "agent/admin/metrics.h"
#include "tests/unit/admin/report.h"

using namespace fairlead;
using nlohmann::json;

namespace {

std::string document(const std::string& name) {
    const auto root = std::filesystem::path(FAIRLEAD_SOURCE);
    std::ifstream file(root / "docs" / name);
    std::stringstream text;
    text << file.rdbuf();
    EXPECT_FALSE(text.str().empty()) << name;
    return text.str();
}

/// Every path of keys in a JSON value; elements of a list count as one.
void collectPaths(const json& value, const std::string& path, std::set<std::string>& paths) {
    paths.insert(path);
    if (value.is_array()) {
        for (const json& element : value)
            collectPaths(element, path + "[]", paths);
    }
    // Keyed by reasons and types, not by names of the format.
    if (!value.is_object() || path == ".router.rejected" || path == ".router.tolerated" ||
        path == ".kubernetes.events" || path == ".balancer.unserved" || path == ".backends[].ended" ||
        path == ".leavingBackends[].ended" || path == ".routers[]")  // which is as .router
        return;
    for (const auto& [name, element] : value.items())
        collectPaths(element, path + "." + name, paths);
}

std::set<std::string> pathsOf(const json& value) {
    std::set<std::string> paths;
    collectPaths(value, "", paths);
    return paths;
}

TEST(Documents, TheExampleOfTheStatusHasEveryKey) {
    const std::string text = document("status.md");
    const std::size_t start = text.find("```json\n") + 8;
    const json example = json::parse(text.substr(start, text.find("```", start) - start));
    std::set<std::string> shown = pathsOf(example);
    admin::StatusReport report = test::fullReport();
    std::set<std::string> given = pathsOf(json::parse(admin::toJson(report)));
    given.erase(".warnings[]");
    EXPECT_EQ(shown, given);
}

TEST(Documents, TheTablesOfMetricsHaveEveryFamilyWithItsType) {
    std::map<std::string, std::string> documented;
    const std::string text = document("metrics.md");
    const std::regex row(R"(\n\| `((?:fairlead|process)_\w+)` \| (\w+) \|)");
    for (auto match = std::sregex_iterator(text.begin(), text.end(), row); match != std::sregex_iterator();
         ++match)
        documented[(*match)[1]] = (*match)[2];

    std::map<std::string, std::string> given;
    std::istringstream rendered(admin::Metrics().render(test::fullReport()));
    for (std::string line; std::getline(rendered, line);) {
        std::istringstream words(line);
        std::string hash;
        std::string what;
        std::string name;
        if (words >> hash >> what >> name && hash == "#" && what == "TYPE") words >> given[name];
    }
    EXPECT_EQ(documented, given);
}

}  // namespace
