#pragma once
// One statement of keepalived.conf: what its words come to. Pure.

#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <optional>
#include <string>

#include "agent/import/draft.h"
#include "agent/import/keepalived_parser.h"

namespace fairlead::importing {

/// The word behind the statement's own; empty if there is none.
std::string firstOf(const Statement& statement);

/// A whole number within the range, else nothing.
std::optional<long> whole(const std::string& text, long least, long most);

/// Seconds with a fraction as a duration: "1" → "1s", "0.2" → "200ms"; nothing if it is no such number.
std::optional<std::string> secondsAsDuration(const std::string& text);

/// "10.10.1.108", or with the length of a prefix, "10.10.1.108/24", which is left out.
std::optional<boost::asio::ip::address> addressWithin(const std::string& text);

/// Tells of what stands behind the `carried` words that were carried.
void dropRest(const Statement& statement, std::size_t carried, Draft& draft);

}  // namespace fairlead::importing
