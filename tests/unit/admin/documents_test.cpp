// docs/metrics.md and docs/status.md say what the agent in fact gives.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
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

struct MetricFamily {
    std::string name;
    std::string type;
    std::string help;
    std::vector<std::string> labels;  ///< in the order in which they come first
};

/// As the agent gives them, in its order.
std::vector<MetricFamily> metricFamilies() {
    admin::Metrics metrics;
    metrics.observeProbe(*lb::parseEndpoint("10.10.1.83:6443"), std::chrono::milliseconds(3));
    std::vector<MetricFamily> families;
    std::istringstream rendered(metrics.render(test::fullReport()));
    const std::regex described(R"(# (HELP|TYPE) (\w+) (.*))");
    const std::regex label(R"re((\w+)="(?:[^"\\]|\\.)*")re");
    for (std::string line; std::getline(rendered, line);) {
        std::smatch part;
        if (std::regex_match(line, part, described)) {
            if (families.empty() || families.back().name != part[2])
                families.push_back({.name = part[2], .type = "", .help = "", .labels = {}});
            (part[1] == "HELP" ? families.back().help : families.back().type) = part[3];
            continue;
        }
        std::vector<std::string>& labels = families.back().labels;
        for (auto each = std::sregex_iterator(line.begin(), line.end(), label);
             each != std::sregex_iterator(); ++each) {
            const std::string name = (*each)[1];
            if (name != "le" && std::ranges::find(labels, name) == labels.end()) labels.push_back(name);
        }
    }
    return families;
}

/// The text with the tables of its families between the marks "<!-- metrics: PREFIX… -->" and "<!-- end -->".
/// A family that is in none of them or in several is a failure.
std::string withMetricTables(const std::string& text) {
    std::map<std::string, int> shown;
    const std::vector<MetricFamily> families = metricFamilies();
    std::string result;
    std::istringstream lines(text);
    bool inside = false;
    for (std::string line; std::getline(lines, line);) {
        if (line == "<!-- end -->") inside = false;
        if (!inside) result += line + "\n";
        if (!line.starts_with("<!-- metrics: ")) continue;
        inside = true;
        result += "| name | type | labels | meaning |\n|---|---|---|---|\n";
        std::istringstream words(line.substr(std::string("<!-- metrics: ").size()));
        const std::vector<std::string> prefixes{std::istream_iterator<std::string>(words), {}};
        for (const MetricFamily& family : families) {
            if (std::ranges::none_of(prefixes,
                                     [&](const auto& prefix) { return family.name.starts_with(prefix); }))
                continue;
            ++shown[family.name];
            std::string labels;
            for (const std::string& name : family.labels)
                labels += (labels.empty() ? "`" : ", `") + name + "`";
            result +=
                "| `" + family.name + "` | " + family.type + " | " + labels + " | " + family.help + " |\n";
        }
    }
    for (const MetricFamily& family : families)
        EXPECT_EQ(shown[family.name], 1) << family.name << " belongs into one table of docs/metrics.md";
    return result;
}

TEST(Documents, TheTablesOfMetricsAreThoseOfTheAgent) {
    const std::string current = withMetricTables(document("metrics.md"));
    if (getenv("FAIRLEAD_UPDATE"))
        std::ofstream(std::filesystem::path(FAIRLEAD_SOURCE) / "docs" / "metrics.md") << current;
    EXPECT_EQ(document("metrics.md"), current)
        << "FAIRLEAD_UPDATE=1 build/release/tests/admin_test writes it anew";
}

}  // namespace
