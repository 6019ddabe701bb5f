#include "agent/import/script_check.h"

#include <cctype>
#include <string_view>
#include <vector>

namespace fairlead::importing {
namespace {

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

/// Whether `word` stands in the text by itself, as a program's name with or without its directory.
bool hasWord(const std::string& text, std::string_view word) {
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        const auto isPart = [&](std::size_t position) {
            return position < text.size() && (std::isalnum(static_cast<unsigned char>(text[position])) != 0 ||
                                              text[position] == '_' || text[position] == '-');
        };
        if ((at == 0 || !isPart(at - 1)) && !isPart(at + word.size())) return true;
    }
    return false;
}

/// The numbers from 1 to 65535 that stand by themselves.
std::vector<std::string> ports(const std::string& text) {
    std::vector<std::string> found;
    for (std::size_t at = 0; at < text.size();) {
        if (std::isdigit(static_cast<unsigned char>(text[at])) == 0) {
            ++at;
            continue;
        }
        std::size_t end = at;
        while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end])) != 0)
            ++end;
        const std::string digits = text.substr(at, end - at);
        const bool part =
            (at > 0 &&
             (text[at - 1] == '.' || std::isalpha(static_cast<unsigned char>(text[at - 1])) != 0)) ||
            (end < text.size() && (text[end] == '.' && end + 1 < text.size() &&
                                   std::isdigit(static_cast<unsigned char>(text[end + 1])) != 0));
        if (!part && digits.size() <= 5 && digits.size() >= 2 && std::stoi(digits) <= 65535 &&
            digits.front() != '0')
            found.push_back(digits);
        at = end;
    }
    return found;
}

std::optional<ScriptTarget> url(const std::string& script) {
    const std::size_t begin = script.find("https://");
    if (begin == std::string::npos) return std::nullopt;
    const std::size_t end = script.find_first_of(" \t'\"|;)>&", begin);
    return ScriptTarget{.kind = ScriptTarget::Kind::Https, .text = script.substr(begin, end - begin)};
}

std::optional<ScriptTarget> devTcp(const std::string& script) {
    const std::size_t begin = script.find("/dev/tcp/");
    if (begin == std::string::npos) return std::nullopt;
    const std::string rest = script.substr(begin + 9);
    const std::size_t slash = rest.find('/');
    const auto numbers =
        slash == std::string::npos ? std::vector<std::string>() : ports(" " + rest.substr(slash + 1));
    if (numbers.empty()) return std::nullopt;
    return ScriptTarget{.kind = ScriptTarget::Kind::Connect,
                        .text = rest.substr(0, slash) + ":" + numbers.front()};
}

std::optional<ScriptTarget> netcat(const std::string& script) {
    if (!hasWord(script, "nc") && !hasWord(script, "ncat") && !hasWord(script, "netcat")) return std::nullopt;
    const auto numbers = ports(script);
    if (numbers.empty()) return std::nullopt;
    // nc [flags] HOST PORT
    const std::size_t at = script.rfind(numbers.back());
    std::string host = script.substr(0, at);
    host.erase(host.find_last_not_of(" \t") + 1);
    host.erase(0, host.find_last_of(" \t") + 1);
    if (host == "localhost") host = "127.0.0.1";
    return ScriptTarget{.kind = ScriptTarget::Kind::Connect, .text = host + ":" + numbers.back()};
}

}  // namespace

std::optional<ScriptTarget> scriptTarget(const std::string& script) {
    if (hasWord(script, "curl") || hasWord(script, "wget")) return url(script);
    if (auto found = devTcp(script)) return found;
    if (auto found = netcat(script)) return found;
    if (hasWord(script, "ss") || hasWord(script, "netstat") || hasWord(script, "lsof")) {
        if (const auto numbers = ports(script); !numbers.empty())
            return ScriptTarget{.kind = ScriptTarget::Kind::Port, .text = numbers.front()};
        return std::nullopt;
    }
    const bool asksForProcess = hasWord(script, "killall") || hasWord(script, "pidof") ||
                                hasWord(script, "pgrep") || has(script, "is-active") || hasWord(script, "ps");
    if (asksForProcess && has(script, "haproxy"))
        return ScriptTarget{.kind = ScriptTarget::Kind::Balancer, .text = {}};
    return std::nullopt;
}

}  // namespace fairlead::importing
