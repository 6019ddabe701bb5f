// Routers in virtual time on one lossy link: whatever happens first, once the network is quiet there is
// exactly one master, and it is the right one. Seeded: a failing seed fails again.

#include <gtest/gtest.h>

#include <algorithm>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "agent/vrrp/router.h"

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address_v4;

struct Delivery {
    TimePoint at;
    std::size_t to = 0;
    Advertisement advertisement;
    bool operator>(const Delivery& other) const { return at > other.at; }
};

class Lan {
  public:
    Lan(unsigned seed, std::uint8_t version, bool preempt) : random_(seed) {
        const std::size_t count = 2 + random_() % 4;
        for (std::size_t i = 0; i < count; ++i) {
            RouterOptions options{.version = version,
                                  .virtualRouterId = 51,
                                  .priority = static_cast<std::uint8_t>(98 + random_() % 4),
                                  .advertInterval = version == 2 ? 1000ms : 100ms,
                                  .preempt = preempt,
                                  .addresses = {address_v4(0x0A090064)}};
            addresses_.emplace_back(0x0A090000 + static_cast<std::uint32_t>(random_() % 200 * 8 + i));
            routers_.emplace_back(options);
            perform(
                i, routers_[i].start({.fault = "", .primary = addresses_[i]}, now_ + random_() % 1000 * 1ms));
        }
    }

    /// `loss` in percent; `chaos`: priorities change, links fail, routers stop and start.
    void run(Duration duration, unsigned loss, bool chaos) {
        loss_ = loss;
        const TimePoint end = now_ + duration;
        while (true) {
            TimePoint next = end;
            for (const Router& router : routers_)
                next = std::min(next, router.deadline().value_or(end));
            if (!wire_.empty()) next = std::min(next, wire_.top().at);
            if (next >= end) break;
            now_ = std::max(now_, next);
            // What has arrived comes before any timer, as at the edge.
            while (!wire_.empty() && wire_.top().at <= now_) {
                const Delivery delivery = wire_.top();
                wire_.pop();
                perform(delivery.to,
                        routers_[delivery.to].received(delivery.advertisement, delivery.at, now_));
            }
            for (std::size_t i = 0; i < routers_.size(); ++i)
                perform(i, routers_[i].timerExpired(now_));
            if (chaos && random_() % 20 == 0) disturb(random_() % routers_.size());
        }
        now_ = end;
    }

    void healAll() {
        for (std::size_t i = 0; i < routers_.size(); ++i)
            perform(i, routers_[i].interfaceChanged({.fault = "", .primary = addresses_[i]}, now_));
    }

    [[nodiscard]] std::vector<std::size_t> masters() const {
        std::vector<std::size_t> result;
        for (std::size_t i = 0; i < routers_.size(); ++i) {
            if (routers_[i].state() == State::Master) result.push_back(i);
        }
        return result;
    }

    [[nodiscard]] bool isBest(std::size_t candidate) const {
        // An equal priority does not pre-empt: among equals any may hold.
        return std::ranges::all_of(routers_, [&](const Router& router) {
            return router.priority() <= routers_[candidate].priority();
        });
    }

    [[nodiscard]] const std::string& violation() const { return violation_; }

  private:
    void perform(std::size_t i, const Actions& actions) {
        for (const Action& action : actions) {
            if (const auto* advert = std::get_if<SendAdvertisement>(&action)) send(i, advert->priority);
            if (std::holds_alternative<InstallAddresses>(action)) holds_.insert(i);
            if (std::holds_alternative<RemoveAddresses>(action)) holds_.erase(i);
        }
        if (holds_.contains(i) != (routers_[i].state() == State::Master))
            violation_ = "the address is where no master is";
        if (routers_[i].deadline().has_value() == (routers_[i].state() == State::Fault))
            violation_ = "a timer too many or too few";
    }

    void send(std::size_t from, std::uint8_t priority) {
        for (std::size_t to = 0; to < routers_.size(); ++to) {
            if (to == from || random_() % 100 < loss_) continue;
            Delivery delivery{.at = now_ + 50us + random_() % 200 * 1us, .to = to, .advertisement = {}};
            delivery.advertisement.priority = priority;
            delivery.advertisement.source = addresses_[from];
            delivery.advertisement.interval = routers_[from].masterDownInterval() > 1s ? 1000ms : 100ms;
            delivery.advertisement.addresses.emplace_back(address_v4(0x0A090064));
            wire_.push(delivery);
        }
    }

    void disturb(std::size_t i) {
        switch (random_() % 3) {
            case 0:
                perform(i, routers_[i].setPriority(static_cast<std::uint8_t>(98 + random_() % 4), false,
                                                   "chaos", now_));
                break;
            case 1:
                perform(i,
                        routers_[i].interfaceChanged({.fault = "link down", .primary = addresses_[i]}, now_));
                break;
            default:
                perform(i, routers_[i].interfaceChanged({.fault = "", .primary = addresses_[i]}, now_));
                break;
        }
    }

    std::mt19937 random_;
    TimePoint now_ = TimePoint{} + 1000s;
    unsigned loss_ = 0;
    std::vector<Router> routers_;
    std::vector<address_v4> addresses_;
    std::set<std::size_t> holds_;
    std::priority_queue<Delivery, std::vector<Delivery>, std::greater<>> wire_;
    std::string violation_;
};

void expectOneMasterAfterTheStorm(bool preempt) {
    for (unsigned seed = 1; seed <= 150; ++seed) {
        for (const std::uint8_t version : std::initializer_list<std::uint8_t>{2, 3}) {
            Lan lan(seed, version, preempt);
            lan.run(120s, 30, true);
            lan.healAll();
            lan.run(20s, 0, false);
            ASSERT_EQ(lan.violation(), "") << "seed " << seed;
            ASSERT_EQ(lan.masters().size(), 1U) << "seed " << seed << " version " << int{version};
            if (preempt) {
                ASSERT_TRUE(lan.isBest(lan.masters().front()))
                    << "seed " << seed << " version " << int{version};
            }
        }
    }
}

TEST(Simulation, ExactlyTheBestIsMasterOnceTheNetworkIsQuiet) {
    expectOneMasterAfterTheStorm(true);
}

TEST(Simulation, ExactlyOneIsMasterWithoutPreemption) {
    expectOneMasterAfterTheStorm(false);
}

}  // namespace
}  // namespace fairlead::vrrp
