#include "agent/import/haproxy_parser.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace fairlead::importing {
namespace {

constexpr std::size_t kMostLines = 20'000;

bool beginsSection(const std::string& word) {
    constexpr std::array<std::string_view, 17> kKinds{
        "global",      "defaults",    "frontend", "backend",   "listen",  "peers",
        "resolvers",   "userlist",    "mailers",  "cache",     "program", "ring",
        "log-forward", "http-errors", "fcgi-app", "crt-store", "traces"};
    return std::ranges::find(kKinds, word) != kKinds.end();
}

/// False if a quote is not closed.
bool split(const std::string& line, std::vector<std::string>& words) {
    std::string word;
    bool inWord = false;
    char quote = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
            word += line[++i];
            inWord = true;
        } else if (quote != 0) {
            if (c == quote) {
                quote = 0;
            } else {
                word += c;
            }
        } else if (c == '"' || c == '\'') {
            quote = c;
            inWord = true;
        } else if (c == '#') {
            break;
        } else if (c == ' ' || c == '\t' || c == '\r') {
            if (inWord) words.push_back(std::exchange(word, ""));
            inWord = false;
        } else {
            word += c;
            inWord = true;
        }
    }
    if (inWord) words.push_back(std::move(word));
    return quote == 0;
}

}  // namespace

HaproxyFile parseHaproxy(const SourceFile& file) {
    HaproxyFile result;
    const auto error = [&](const Origin& origin, const std::string& text) {
        if (result.errors.size() < 20) result.errors.push_back(origin.text() + ": " + text);
    };
    std::size_t begin = 0;
    for (int number = 1; begin < file.text.size(); ++number) {
        const std::size_t end = std::min(file.text.find('\n', begin), file.text.size());
        const Origin origin{.file = file.name, .line = number};
        std::vector<std::string> words;
        if (!split(file.text.substr(begin, end - begin), words)) error(origin, "a quote is not closed");
        begin = end + 1;
        if (static_cast<std::size_t>(number) > kMostLines) {
            error(origin, "too many lines");
            break;
        }
        if (words.empty()) continue;
        if (beginsSection(words.front())) {
            HaproxySection section{.kind = words[0], .name = {}, .from = {}, .origin = origin, .lines = {}};
            std::size_t next = 1;
            if (next < words.size() && words[next] != "from") section.name = words[next++];
            if (next + 1 < words.size() && words[next] == "from") section.from = words[next + 1];
            result.sections.push_back(std::move(section));
        } else if (result.sections.empty()) {
            error(origin, "'" + joined(words) + "' stands before the first section");
        } else {
            result.sections.back().lines.push_back({.words = std::move(words), .origin = origin});
        }
    }
    return result;
}

}  // namespace fairlead::importing
