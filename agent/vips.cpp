#include "agent/vips.h"

#include <boost/algorithm/string/join.hpp>

#include <algorithm>
#include <iterator>

namespace fairlead {

std::vector<boost::asio::ip::address> vipsOf(const config::Configuration& configuration, bool ipv6) {
    std::vector<boost::asio::ip::address> vips;
    std::ranges::copy_if(configuration.vip.addresses, std::back_inserter(vips),
                         [&](const auto& address) { return address.is_v6() == ipv6; });
    return vips;
}

std::string listed(const std::vector<boost::asio::ip::address>& addresses) {
    std::vector<std::string> texts;
    texts.reserve(addresses.size());
    for (const auto& address : addresses)
        texts.push_back(address.to_string());
    return boost::algorithm::join(texts, ",");
}

}  // namespace fairlead
