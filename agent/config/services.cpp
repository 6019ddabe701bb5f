#include "agent/config/services.h"

#include <algorithm>

#include "agent/config/values.h"

namespace fairlead::config {

std::vector<lb::Endpoint> services(const Configuration& configuration) {
    std::vector<lb::Endpoint> all;
    const auto add = [&all](const boost::asio::ip::address& address, std::uint16_t port) {
        const lb::Endpoint service{.address = address, .port = port};
        if (!isLinkLocal(address) && std::ranges::find(all, service) == all.end()) all.push_back(service);
    };
    for (const lb::Endpoint& bind : configuration.loadBalancer.bind) {
        for (const auto& vip : configuration.vip.addresses)
            add(vip, bind.port);
        if (!bind.address.is_unspecified()) {
            add(bind.address, bind.port);
            continue;
        }
        const bool backends =
            bind.port == configuration.backends.port ||
            std::ranges::any_of(configuration.backends.fixed,
                                [&](const lb::Endpoint& backend) { return backend.port == bind.port; });
        if (backends) continue;
        for (const auto& own : configuration.ownAddresses) {
            // As a socket does it: [::] is every address, 0.0.0.0 every one of IPv4.
            if (bind.address.is_v6() || own.is_v4()) add(own, bind.port);
        }
    }
    return all;
}

}  // namespace fairlead::config
