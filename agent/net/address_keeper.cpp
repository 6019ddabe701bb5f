#include "agent/net/address_keeper.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <utility>

#include "agent/net/system_error.h"

namespace fairlead::net {
namespace {

using boost::asio::ip::address;

/// Not there, or the whole interface is gone.
bool absent(int error) {
    return error == EADDRNOTAVAIL || error == ENODEV;
}

}  // namespace

std::chrono::seconds addressLifetime(vrrp::Duration advertInterval) {
    return std::max(std::chrono::seconds(2), std::chrono::ceil<std::chrono::seconds>(4 * advertInterval));
}

AddressKeeper::AddressKeeper(Netlink& netlink, std::vector<address> vips, vrrp::Duration advertInterval)
    : netlink_(netlink), vips_(std::move(vips)), lifetime_(addressLifetime(advertInterval)) {}

std::expected<std::vector<RemovedAddress>, std::string> sweepAddresses(
    Netlink& netlink, const std::vector<address>& addresses) {
    std::vector<AddressRecord> found;
    const auto read = netlink.forEachAddress(0, [&](const AddressRecord& record) {
        if (std::ranges::find(addresses, record.address) != addresses.end()) found.push_back(record);
    });
    if (!read) return std::unexpected(read.error());
    std::vector<RemovedAddress> removed;
    for (const AddressRecord& record : found) {
        const std::string interface = Netlink::interfaceName(record.interfaceIndex);
        const auto done =
            netlink.order(AddressRequest::remove(record.address, record.interfaceIndex, record.prefixLength));
        if (!done && !absent(done.error())) {
            return std::unexpected("removing " + record.address.to_string() + " from " + interface + ": " +
                                   orderErrorText(done.error()));
        }
        removed.push_back({.address = record.address, .interface = interface});
    }
    return removed;
}

std::string AddressKeeper::change(std::vector<address> vips, vrrp::Duration advertInterval) {
    const auto without = [](const std::vector<address>& all, const std::vector<address>& these) {
        std::vector<address> rest;
        std::ranges::copy_if(all, std::back_inserter(rest), [&](const address& each) {
            return std::ranges::find(these, each) == these.end();
        });
        return rest;
    };
    std::vector<address> moved = without(vips, vips_);
    if (installed()) std::ranges::copy(without(vips_, vips), std::back_inserter(moved));
    vips_ = std::move(vips);
    lifetime_ = addressLifetime(advertInterval);
    if (moved.empty()) return {};
    complete_ = false;
    // One that is carried out later would bring back what is removed here.
    renewer_.cancel();
    const auto removed = sweepAddresses(netlink_, moved);
    return removed ? std::string() : removed.error();
}

std::expected<void, std::string> AddressKeeper::install(int interfaceIndex, vrrp::TimePoint now) {
    // What it would come to says nothing any more.
    renewer_.cancel();
    if (installed() && interfaceIndex_ != interfaceIndex) {
        // What they were on may still be there, under another name.
        if (auto left = remove(); !left) return left;
    }
    interfaceIndex_ = interfaceIndex;
    complete_ = true;
    renewed_ = now;
    soon_ = false;
    for (const address& vip : vips_) {
        const auto done = netlink_.order(AddressRequest::add(vip, interfaceIndex, lifetime_));
        if (done) continue;
        return std::unexpected(giveUp("adding " + vip.to_string() + " to " +
                                      Netlink::interfaceName(interfaceIndex) + ": " +
                                      orderErrorText(done.error())));
    }
    return {};
}

std::string AddressKeeper::giveUp(std::string error) {
    if (const auto undone = remove(); !undone) error += "; " + undone.error();
    return error;
}

std::optional<vrrp::TimePoint> AddressKeeper::renewAt() const {
    if (!installed() || renewer_.underWay()) return std::nullopt;
    return soon_ ? vrrp::TimePoint{} : renewed_ + vrrp::Duration(lifetime_) / 5;
}

void AddressKeeper::renewIfDue(vrrp::TimePoint now) {
    const auto due = renewAt();
    if (!due || now < *due) return;
    soon_ = false;
    renewalBegan_ = now;
    renewer_.begin(vips_, interfaceIndex_, lifetime_);
}

std::optional<AddressRenewer::Renewal> AddressKeeper::renewed() {
    auto renewal = renewer_.take();
    if (!renewal) return std::nullopt;
    if (renewal->result) {
        renewed_ = renewalBegan_;
    } else {
        renewal->result = std::unexpected(giveUp(std::move(renewal->result.error())));
    }
    return renewal;
}

std::expected<void, std::string> AddressKeeper::remove() {
    if (!installed()) return {};
    // One that is carried out later would bring them back.
    renewer_.cancel();
    complete_ = false;
    const int index = std::exchange(interfaceIndex_, 0);
    std::string failures;
    for (const address& vip : vips_) {
        const auto done = netlink_.order(AddressRequest::remove(vip, index));
        if (done || done.error() == ENODEV) continue;
        if (done.error() == EADDRNOTAVAIL) {
            // Somebody removed it, which is what was wanted; or put it there, with another prefix length.
            if (const auto swept = sweepAddresses(netlink_, {vip}); !swept)
                failures += (failures.empty() ? "" : ", ") + swept.error();
            continue;
        }
        failures += (failures.empty() ? "" : ", ") + std::string("removing ") + vip.to_string() + ": " +
                    orderErrorText(done.error());
    }
    if (failures.empty()) return {};
    return std::unexpected(std::move(failures));
}

}  // namespace fairlead::net
