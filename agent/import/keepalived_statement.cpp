#include "agent/import/keepalived_statement.h"

#include <cmath>
#include <cstddef>
#include <exception>

namespace fairlead::importing {

std::string firstOf(const Statement& statement) {
    return statement.words.size() > 1 ? statement.words[1] : "";
}

std::optional<long> whole(const std::string& text, long least, long most) {
    if (text.empty() || text.size() > 9) return std::nullopt;
    std::size_t end = 0;
    long value = 0;
    try {
        value = std::stol(text, &end);
    } catch (const std::exception&) {
        return std::nullopt;
    }
    if (end != text.size() || value < least || value > most) return std::nullopt;
    return value;
}

std::optional<std::string> secondsAsDuration(const std::string& text) {
    if (text.empty() || text.size() > 12 || text.find_first_not_of("0123456789.") != std::string::npos)
        return std::nullopt;
    double seconds = 0;
    std::size_t end = 0;
    try {
        seconds = std::stod(text, &end);
    } catch (const std::exception&) {
        return std::nullopt;
    }
    if (end != text.size()) return std::nullopt;
    const long milliseconds = std::lround(seconds * 1000);
    if (milliseconds % 1000 == 0) return std::to_string(milliseconds / 1000) + "s";
    return std::to_string(milliseconds) + "ms";
}

std::optional<boost::asio::ip::address> addressWithin(const std::string& text) {
    boost::system::error_code error;
    auto result = boost::asio::ip::make_address(text.substr(0, text.find('/')), error);
    if (error) return std::nullopt;
    return result;
}

void dropRest(const Statement& statement, std::size_t carried, Draft& draft) {
    if (statement.words.size() <= carried) return;
    const auto begin = statement.words.begin() + static_cast<std::ptrdiff_t>(carried);
    draft.drop(statement.origin, statement.words.front() + " … " + joined({begin, statement.words.end()}),
               kNoCounterpart);
}

}  // namespace fairlead::importing
