#include "agent/config/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "agent/log/utf8.h"

namespace fairlead::config {
namespace {

constexpr std::size_t kLongestQuote = 60;

bool digitsOnly(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::string between(const std::string& low, const std::string& high) {
    return " (" + low + " to " + high + ")";
}

struct Unit {
    std::string_view name;
    std::int64_t milliseconds;
};
constexpr std::array<Unit, 4> kUnits{{{"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};

/// NUMBER with at most three decimals, in thousandths; nothing if it is anything else or far too large.
std::optional<std::int64_t> thousandths(std::string_view number) {
    const std::size_t dot = number.find('.');
    const std::string_view whole = number.substr(0, dot);
    std::string decimals(dot == std::string_view::npos ? "0" : number.substr(dot + 1));
    if (!digitsOnly(whole) || !digitsOnly(decimals) || whole.size() > 10 || decimals.size() > 3) return {};
    decimals.resize(3, '0');
    std::int64_t high = 0;
    std::int64_t low = 0;
    std::from_chars(whole.data(), whole.data() + whole.size(), high);
    std::from_chars(decimals.data(), decimals.data() + decimals.size(), low);
    return high * 1000 + low;
}

bool broadcast(const boost::asio::ip::address& address) {
    return address.is_v4() && address.to_v4() == boost::asio::ip::address_v4::broadcast();
}

/// What speaks against an address as that of a host; empty: nothing.
std::string unfitForHost(const boost::asio::ip::address& address) {
    if (address.is_unspecified()) return "is the unspecified address";
    if (address.is_multicast()) return "is a multicast address";
    if (broadcast(address)) return "is the broadcast address";
    return "";
}

/// Visible ASCII only, as in a URL.
bool graphic(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace

std::string quoted(std::string_view text) {
    std::string result = "'";
    while (!text.empty()) {
        if (result.size() > kLongestQuote) {
            result += "…";
            break;
        }
        const logging::CodePoint point = logging::codePointAt(text);
        const bool plain = point.length > 0 && !logging::isControl(point.value);
        const std::size_t length = std::max<std::size_t>(point.length, 1);
        if (plain) {
            result += text.substr(0, length);
        } else {
            result += '?';
        }
        text.remove_prefix(length);
    }
    return result + "'";
}

std::string yamlQuoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
    return result + "\"";
}

bool isLinkLocal(const boost::asio::ip::address& address) {
    return address.is_v6() && address.to_v6().is_link_local();
}

Parsed<std::int64_t> parseInteger(std::string_view text, std::int64_t low, std::int64_t high) {
    const std::string range = between(std::to_string(low), std::to_string(high));
    const bool negative = text.starts_with('-');
    const std::string_view digits = text.substr(negative ? 1 : 0);
    if (!digitsOnly(digits)) return std::unexpected(quoted(text) + " is not a whole number" + range);
    if (digits.size() > 1 && digits.front() == '0')
        return std::unexpected(quoted(text) + " has a leading zero; write it in decimal" + range);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || value < low || value > high)
        return std::unexpected(quoted(text) + " is out of range" + range);
    return value;
}

Parsed<bool> parseBoolean(std::string_view text) {
    if (text == "true") return true;
    if (text == "false") return false;
    return std::unexpected(quoted(text) + " is not true or false");
}

Parsed<Milliseconds> parseDuration(std::string_view text, Milliseconds low, Milliseconds high) {
    const std::size_t end = text.find_first_not_of("0123456789.");
    const std::string_view number = text.substr(0, end);
    const std::string_view unitName = end == std::string_view::npos ? std::string_view{} : text.substr(end);
    if (text.starts_with('-') && text.size() > 1) {
        return std::unexpected(quoted(text) + " is negative" +
                               between(durationText(low), durationText(high)));
    }
    const auto amount = thousandths(number);
    if (amount && *amount != 0 && unitName.empty())
        return std::unexpected(quoted(text) + " has no unit (ms, s, m or h, as in 200ms)");
    const auto* const unit = std::ranges::find(kUnits, unitName.empty() ? "s" : unitName, &Unit::name);
    if (!amount || unit == kUnits.end())
        return std::unexpected(quoted(text) + " is not a duration (a number and ms, s, m or h, as in 200ms)");
    const std::int64_t value = *amount * unit->milliseconds;
    if (value % 1000 != 0) return std::unexpected(quoted(text) + " is finer than a millisecond");
    const Milliseconds duration(value / 1000);
    if (duration < low || duration > high) {
        return std::unexpected(quoted(text) + " is out of range" +
                               between(durationText(low), durationText(high)));
    }
    return duration;
}

std::string durationText(Milliseconds duration) {
    if (duration == Milliseconds::zero()) return "0s";
    for (const Unit& unit : kUnits) {
        if (duration.count() % unit.milliseconds == 0)
            return std::to_string(duration.count() / unit.milliseconds) + std::string(unit.name);
    }
    return std::to_string(duration.count()) + "ms";
}

Parsed<boost::asio::ip::address> parseHostAddress(std::string_view text) {
    if (text.find('/') != std::string_view::npos) {
        return std::unexpected(quoted(text) + " has a prefix length; write the address alone");
    }
    boost::system::error_code error;
    auto address = boost::asio::ip::make_address(std::string(text), error);
    if (error) return std::unexpected(quoted(text) + " is not an IP address");
    if (const std::string reason = unfitForHost(address); !reason.empty())
        return std::unexpected(quoted(text) + " " + reason);
    return address;
}

Parsed<boost::asio::ip::address> parseVirtualAddress(std::string_view text) {
    auto address = parseHostAddress(text);
    if (!address) return address;
    if (address->is_loopback()) return std::unexpected(quoted(text) + " is a loopback address");
    return address;
}

Parsed<lb::Endpoint> parseDestination(std::string_view text) {
    auto endpoint = lb::parseEndpoint(text);
    if (!endpoint) return std::unexpected(quoted(text) + ": " + endpoint.error());
    if (const std::string reason = unfitForHost(endpoint->address); !reason.empty())
        return std::unexpected(quoted(text) + " " + reason);
    if (endpoint->port == 0) return std::unexpected(quoted(text) + ": port 0 can't be connected to");
    return *endpoint;
}

Parsed<lb::Endpoint> parseListener(std::string_view text) {
    auto endpoint = lb::parseEndpoint(text);
    if (!endpoint) return std::unexpected(quoted(text) + ": " + endpoint.error());
    if (endpoint->address.is_multicast() || broadcast(endpoint->address))
        return std::unexpected(quoted(text) + ": TCP can't listen on a multicast or broadcast address");
    if (endpoint->port == 0)
        return std::unexpected(quoted(text) + ": port 0 would be a different port at each start");
    return *endpoint;
}

Parsed<HttpsUrl> parseHttpsUrl(std::string_view text) {
    const auto wrong = [&](const std::string& why) {
        return std::unexpected(quoted(text) + " " + why + " (https://ADDRESS:PORT/PATH)");
    };
    constexpr std::string_view kScheme = "https://";
    if (!text.starts_with(kScheme)) return wrong("is not an https URL");
    const std::string_view rest = text.substr(kScheme.size());
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
    const std::size_t colon = authority.rfind(':');
    const bool hasPort =
        colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
    const auto endpoint = parseDestination(std::string(authority) + (hasPort ? "" : ":443"));
    if (!endpoint) return wrong("does not name a host by its IP address");
    const std::string_view path = rest.substr(authority.size());
    if (path.empty()) return HttpsUrl{.endpoint = *endpoint};
    auto parsed = parseHttpPath(path);
    if (!parsed) return std::unexpected(parsed.error());
    return HttpsUrl{.endpoint = *endpoint, .path = std::move(*parsed)};
}

Parsed<std::string> parseServerUrl(std::string_view text) {
    if (text.empty()) return std::string();
    constexpr std::string_view kScheme = "https://";
    const std::string_view rest = text.starts_with(kScheme) ? text.substr(kScheme.size()) : "";
    const std::string_view authority = rest.substr(0, rest.find('/'));
    if (authority.empty() || authority.starts_with(':') || !graphic(text) ||
        text.find_first_of("@?#") != std::string_view::npos) {
        return std::unexpected(quoted(text) + " is not the URL of an API server (https://HOST:PORT)");
    }
    return std::string(text);
}

Parsed<std::string> parseHttpPath(std::string_view text) {
    if (!text.starts_with('/')) return std::unexpected(quoted(text) + " does not start with /");
    if (!graphic(text) || text.find('#') != std::string_view::npos)
        return std::unexpected(quoted(text) + " holds a character that a request's path can't have");
    return std::string(text);
}

}  // namespace fairlead::config
