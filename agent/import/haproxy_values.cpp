#include "agent/import/haproxy_values.h"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cctype>
#include <cstddef>

namespace fairlead::importing {

std::optional<std::string> haproxyDuration(const std::string& text) {
    std::size_t digits = 0;
    while (digits < text.size() && std::isdigit(static_cast<unsigned char>(text[digits])) != 0)
        ++digits;
    if (digits == 0 || digits > 9) return std::nullopt;
    const std::string number = text.substr(0, digits);
    const std::string unit = text.substr(digits);
    const long value = std::stol(number);
    if (unit.empty() || unit == "ms")
        return value % 1000 == 0 ? std::to_string(value / 1000) + "s" : number + "ms";
    if (unit == "s" || unit == "m" || unit == "h") return number + unit;
    if (unit == "d") return std::to_string(value * 24) + "h";
    if (unit == "us") return std::to_string(std::max(value / 1000, 1L)) + "ms";
    return std::nullopt;
}

std::optional<HostPort> hostPort(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos || text.starts_with('/') || text.find('@') != std::string::npos)
        return std::nullopt;
    HostPort result{.address = text.substr(0, colon), .port = text.substr(colon + 1)};
    if (result.port.empty() || result.port.size() > 5 ||
        result.port.find_first_not_of("0123456789") != std::string::npos || std::stoi(result.port) > 65535 ||
        std::stoi(result.port) == 0)
        return std::nullopt;
    if (result.address.starts_with('[') && result.address.ends_with(']'))
        result.address = result.address.substr(1, result.address.size() - 2);
    if (result.address.empty() || result.address == "*") result.address = "0.0.0.0";
    boost::system::error_code error;
    boost::asio::ip::make_address(result.address, error);
    if (error) return std::nullopt;
    return result;
}

std::string endpoint(const HostPort& target) {
    const bool six = target.address.find(':') != std::string::npos;
    return "\"" + (six ? "[" + target.address + "]" : target.address) + ":" + target.port + "\"";
}

}  // namespace fairlead::importing
