#pragma once
// The router under test in virtual time, and its actions as texts.

#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "agent/vrrp/router.h"

namespace fairlead::vrrp {

using namespace std::chrono_literals;

inline const TimePoint kStart = TimePoint{} + 1000s;

inline RouterOptions version2(std::uint8_t priority = 100) {
    return {.version = 2,
            .virtualRouterId = 51,
            .priority = priority,
            .advertInterval = 1s,
            .addresses = {boost::asio::ip::make_address_v4("10.9.0.100")}};
}

inline RouterOptions version3(std::chrono::milliseconds interval = 100ms, std::uint8_t priority = 100) {
    RouterOptions options = version2(priority);
    options.version = 3;
    options.advertInterval = interval;
    return options;
}

/// The actions as text, in their order: what a router is asked to do at a glance.
inline std::vector<std::string> names(const Actions& actions) {
    std::vector<std::string> result;
    for (const Action& action : actions) {
        if (const auto* advert = std::get_if<SendAdvertisement>(&action)) {
            result.push_back("advert " + std::to_string(advert->priority));
        } else if (std::holds_alternative<InstallAddresses>(action)) {
            result.emplace_back("install");
        } else if (std::holds_alternative<RemoveAddresses>(action)) {
            result.emplace_back("remove");
        } else if (std::holds_alternative<Announce>(action)) {
            result.emplace_back("announce");
        } else if (const auto* named = std::get_if<NameSuccessor>(&action)) {
            result.push_back("successor " + named->peer.to_string());
        } else if (const auto* transition = std::get_if<Transition>(&action)) {
            result.push_back(std::string(toString(transition->from)) + "→" + toString(transition->to));
        } else {
            result.emplace_back("warning");
        }
    }
    return result;
}

/// A router in virtual time with address 10.9.0.50.
class Dut {
  public:
    explicit Dut(const RouterOptions& options) : router(options), options_(options) {}

    std::vector<std::string> start() { return names(router.start(up(), now)); }

    void startAsBackup() {
        start();
        ASSERT_EQ(router.state(), State::Backup);
    }

    void startAsMaster() {
        start();
        expire();
        ASSERT_EQ(router.state(), State::Master);
    }

    static InterfaceCondition up() {
        return {.fault = "", .primary = boost::asio::ip::make_address_v4("10.9.0.50")};
    }
    static InterfaceCondition down() {
        return {.fault = "link eth0 is down", .primary = boost::asio::ip::make_address_v4("10.9.0.50")};
    }

    std::vector<std::string> hear(std::uint8_t priority, const char* source = "10.9.0.2",
                                  Duration interval = Duration::zero(), Duration age = Duration::zero()) {
        Advertisement advertisement;
        advertisement.version = options_.version;
        advertisement.virtualRouterId = 51;
        advertisement.priority = priority;
        advertisement.interval = interval == Duration::zero() ? Duration(options_.advertInterval) : interval;
        advertisement.source = boost::asio::ip::make_address_v4(source);
        advertisement.addresses.push_back(boost::asio::ip::make_address_v4("10.9.0.100"));
        return names(router.received(advertisement, now - age, now));
    }

    /// Moves to the deadline, `late` of it, and lets the timer act.
    std::vector<std::string> expire(Duration late = Duration::zero()) {
        if (!router.deadline()) return {"no deadline"};
        now = *router.deadline() + late;
        return names(router.timerExpired(now));
    }

    [[nodiscard]] Duration left() const { return *router.deadline() - now; }

    Router router;
    TimePoint now = kStart;

  private:
    RouterOptions options_;
};

}  // namespace fairlead::vrrp
