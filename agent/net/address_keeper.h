#pragma once
// Keeps the VIPs on an interface: /32 or /128, noprefixroute (IPv6: deprecated and without duplicate
// detection, which would hold it back while the previous holder lets go), and only for a finite lifetime that
// must be renewed, so that the kernel takes them away from a process that was killed or frozen
// (ip-address(8), valid_lft; the kernel counts whole seconds). Never touches an address that is not one of
// the VIPs. Renewal is not waited for, everything else is. Election thread.

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "agent/net/address_renewer.h"
#include "agent/net/netlink.h"
#include "agent/vrrp/options.h"

namespace fairlead::net {

/// How long the kernel keeps the VIP without renewal: what it takes the slowest peer to take over after our
/// silence, in whole seconds, at least 2. Shorter, the VIP would be nowhere for a moment; what a process that
/// doesn't run leaves open in its kernel goes on meanwhile.
std::chrono::seconds addressLifetime(vrrp::Duration advertInterval);

struct RemovedAddress {
    boost::asio::ip::address address;
    std::string interface;
};

/// Removes these addresses wherever they are: an earlier run, or a person, left them.
std::expected<std::vector<RemovedAddress>, std::string> sweepAddresses(
    Netlink& netlink, const std::vector<boost::asio::ip::address>& addresses);

class AddressKeeper {
  public:
    /// Begins the renewer's thread. Throws std::runtime_error.
    AddressKeeper(Netlink& netlink, std::vector<boost::asio::ip::address> vips,
                  vrrp::Duration advertInterval);

    /// Other VIPs and another interval from now on. Removes those that are no longer among them, and those
    /// that are new wherever they were left; install() then adds them. What went wrong, empty if nothing.
    std::string change(std::vector<boost::asio::ip::address> vips, vrrp::Duration advertInterval);

    /// Adds the VIPs, or renews them; from another interface they are removed. On an error none of them
    /// stays.
    std::expected<void, std::string> install(int interfaceIndex, vrrp::TimePoint now);

    /// All of them, as far as we know: there is nothing that install() would do but renew them.
    [[nodiscard]] bool installedOn(int interfaceIndex) const {
        return interfaceIndex_ == interfaceIndex && complete_;
    }
    /// It is time to; again, if one is under way.
    void renewSoon() { soon_ = true; }
    /// Begins to renew them if it is time to.
    void renewIfDue(vrrp::TimePoint now);
    /// Once after renewalFd() became readable. On an error none of them stays.
    std::optional<AddressRenewer::Renewal> renewed();
    [[nodiscard]] int renewalFd() const { return renewer_.fd(); }

    /// Nothing to do if they aren't installed. An error means that they stay until their lifetime is over.
    std::expected<void, std::string> remove();

    [[nodiscard]] bool installed() const { return interfaceIndex_ != 0; }
    /// When renewIfDue() is to be called.
    [[nodiscard]] std::optional<vrrp::TimePoint> renewAt() const;
    /// Not renewed for so long that the kernel must have taken them away.
    [[nodiscard]] bool expired(vrrp::TimePoint now) const { return now - renewed_ >= lifetime_; }

  private:
    /// The error, with what went wrong in removing them.
    std::string giveUp(std::string error);

    Netlink& netlink_;
    std::vector<boost::asio::ip::address> vips_;
    std::chrono::seconds lifetime_;
    int interfaceIndex_ = 0;
    bool complete_ = false;         ///< none of vips_ was left to install()
    bool soon_ = false;             ///< see renewSoon()
    vrrp::TimePoint renewed_;       ///< from when on the kernel reckons the lifetime, or a moment earlier
    vrrp::TimePoint renewalBegan_;  ///< of the one that is under way
    AddressRenewer renewer_;
};

}  // namespace fairlead::net
