#include "agent/virtual_ip.h"

#include <boost/asio/post.hpp>
#include <boost/container/static_vector.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/authentication/authentication_files.h"
#include "agent/located.h"
#include "agent/log/log.h"
#include "agent/vrrp/hmac.h"
#include "agent/vrrp/text.h"

namespace fairlead {
namespace {

/// The first address of each family; a link-local one would need its interface named, and clients name the
/// other.
blackout::Options blackoutOptions(const config::Configuration& configuration, std::uint16_t port) {
    blackout::Options options{.targets = {},
                              .interface = configuration.vip.interface,
                              .interval = configuration.vip.probe.interval,
                              .timeout = configuration.vip.probe.timeout};
    for (const auto& vip : configuration.vip.addresses) {
        if (vip.is_v6() && vip.to_v6().is_link_local()) continue;
        const bool there = std::ranges::any_of(options.targets, [&](const lb::Endpoint& target) {
            return target.address.is_v6() == vip.is_v6();
        });
        if (!there) options.targets.push_back({.address = vip, .port = port});
    }
    return options;
}

}  // namespace

VirtualIp::VirtualIp(boost::asio::io_context& context, const config::Configuration& configuration,
                     guard::Testament& testament, admin::Metrics& metrics, const Teller& tell,
                     const takeover::Estate& estate, Moved moved)
    : context_(context),
      configuration_(configuration),
      testament_(testament),
      metrics_(metrics),
      tell_(tell),
      moved_(std::move(moved)),
      saveTimer_(context),
      options_(config::routers(configuration)) {
    if (configuration_.vrrp.authentication == vrrp::Authentication::Hmac) {
        const auto file = authentication::readHmacKeyFile(configuration_.keyFile);
        if (!file)
            throw located(configuration_, "vrrp.authentication.keyFile", std::runtime_error(file.error()));
        if (!file->warning.empty()) logging::warning("vrrp", file->warning);
        authentication::warnOfUnsynchronisedClock();
        keys_ = file->keys;
        makeOptions();
        // What an earlier run left against replays.
        replayKeeper_.emplace(configuration_.replayFile, options_);
    }
    net::ElectionOptions options{
        .routers = options_,
        .interface = configuration_.vip.interface,
        .unicastPeers = configuration_.peers,
        .peersAreNodes = !configuration_.peers,
        .lastWill = [this](std::size_t router, const net::LastWill* will) { keepLastWill(router, will); },
        .replayStates = replayKeeper_ ? replayKeeper_->states() : std::vector<vrrp::ReplayState>()};
    for (const vrrp::RouterOptions& router : options_)
        options.holding.push_back(router.ipv6() ? estate.master6 : estate.master4);
    election_ = std::make_unique<net::Election>(
        std::move(options),
        // The election's thread must not wait for a log line to be written.
        [this](net::ElectionEvent event) {
            boost::asio::post(context_, [this, event = std::move(event)] { electionEvent(event); });
        });
}

void VirtualIp::start(std::uint16_t port) {
    port_ = port;
    try {
        election_->start();
        startProber();
    } catch (const std::exception& error) {
        throw located(configuration_, "vip.interface", error);
    }
    scheduleSaves();
}

std::expected<bool, std::string> VirtualIp::readKeys(const std::string& keyFile) {
    if (keys_.empty()) return false;
    auto file = authentication::readHmacKeyFile(keyFile);
    if (!file) return std::unexpected(file.error());
    const bool changed = file->keys != keys_;
    keys_ = std::move(file->keys);
    return changed;
}

void VirtualIp::apply(const config::Changes& changes, bool keysChanged) {
    if (changes.touches("vip.") || changes.touches("vrrp.") || keysChanged) {
        makeOptions();
        election_->reconfigure(options_);
    }
    if (changes.touches("vip.")) startProber();
}

void VirtualIp::setPriority(const vrrp::EffectivePriority& effective, const std::string& cause) {
    if (effective.explanation == priorityExplanation_) return;
    if (!priorityExplanation_.empty()) {
        tell_(logging::Level::Info, "vrrp", "priority changed",
              {{"priority", effective.priority}, {"parts", effective.explanation}, {"cause", cause}});
    }
    priorityExplanation_ = effective.explanation;
    election_->setPriority({.priority = effective.priority, .fault = effective.fault, .cause = cause});
}

void VirtualIp::setPeers(net::PeersUpdate peers) {
    election_->setPeers(std::move(peers));
}

control::Answer VirtualIp::handOver() {
    const auto result = election_->handOver();
    if (!result) return {.ok = false, .text = "the election does not answer\n"};
    if (!result->done) {
        const vrrp::RouterStatus router = election_->status().front();
        return {.ok = false,
                .text = std::string("this host does not hold the VIP: it is ") + toString(router.state) +
                        " (" + router.cause + ")\n"};
    }
    if (result->successor.is_unspecified()) {
        return {.ok = true,
                .text =
                    "gave the VIP up; no other fairlead host is known, so a peer takes it after its skew "
                    "time, or this host again if there is none\n"};
    }
    return {.ok = true, .text = "gave the VIP to " + result->successor.to_string() + "\n"};
}

std::vector<boost::asio::ip::address> VirtualIp::otherHosts() const {
    std::vector<boost::asio::ip::address> hosts;
    const auto add = [&hosts](const boost::asio::ip::address& host) {
        if (!host.is_v6() || !host.to_v6().is_link_local()) hosts.push_back(host);
    };
    for (const vrrp::RouterStatus& router : routers()) {
        for (const vrrp::PeerStatus& peer : router.peers)
            add(peer.address);
        for (const vrrp::CandidateStatus& candidate : router.candidates)
            add(candidate.address);
    }
    return hosts;
}

std::vector<blackout::Status> VirtualIp::probes() const {
    return prober_ ? prober_->status() : std::vector<blackout::Status>();
}

void VirtualIp::release(takeover::Estate& estate) {
    election_->release();
    for (const vrrp::RouterStatus& router : routers()) {
        if (router.state == vrrp::State::Master) (router.ipv6 ? estate.master6 : estate.master4) = true;
    }
}

void VirtualIp::stop() {
    saveTimer_.cancel();
    if (std::exchange(stopped_, true)) return;
    if (replayKeeper_) replayKeeper_->saveLast(election_->status());
    prober_.reset();
}

void VirtualIp::makeOptions() {
    options_ = config::routers(configuration_);
    if (keys_.empty()) return;
    const auto authenticator = std::make_shared<const vrrp::HmacAuthenticator>(keys_);
    for (vrrp::RouterOptions& router : options_)
        router.authenticator = authenticator;
}

/// By what is configured now, in place of what was. With other addresses the outages begin anew.
void VirtualIp::startProber() {
    prober_.reset();
    if (configuration_.vip.probe.interval.count() == 0) return;
    prober_ = std::make_unique<blackout::VipProber>(
        context_, blackoutOptions(configuration_, port_),
        [this](const lb::Endpoint& vip, const blackout::Outage& outage) {
            if (!outage.ownLink) metrics_.observeBlackout(vip, outage.length());
            tell_(outage.ownLink ? logging::Level::Info : logging::Level::Warning, "vip",
                  outage.ownLink ? "the VIP could not be reached, because this host's own link was down"
                                 : "the VIP did not answer",
                  {{"vip", lb::toString(vip)},
                   {"for", blackout::lengthText(outage.length())},
                   {"cause", outage.cause}});
        });
    prober_->start();
}

void VirtualIp::scheduleSaves() {
    if (!replayKeeper_ || !replayKeeper_->keeps()) return;
    saveTimer_.expires_after(std::chrono::seconds(1));
    saveTimer_.async_wait([this](const boost::system::error_code& error) {
        if (error) return;
        replayKeeper_->save(election_->status());
        scheduleSaves();
    });
}

/// On the election thread.
void VirtualIp::keepLastWill(std::size_t router, const net::LastWill* will) {
    if (!will) return testament_.clear(router);
    boost::container::static_vector<guard::Destination, guard::kMaxMessages> destinations;
    boost::container::static_vector<guard::Message, guard::kMaxMessages> messages;
    for (const net::LastMessage& message : will->messages) {
        if (messages.size() == messages.capacity()) break;
        destinations.push_back({.address = message.destination, .port = message.udpPort});
        messages.push_back({.protocol = message.udpPort == 0 ? guard::Protocol::Vrrp : guard::Protocol::Udp,
                            .source = message.source,
                            .destinations = {&destinations.back(), 1},
                            .bytes = message.bytes,
                            .repeat = 2});
    }
    testament_.write(router, {.interfaceIndex = will->interfaceIndex,
                              .vips = will->vips,
                              .messages = {messages.data(), messages.size()}});
}

void VirtualIp::electionEvent(const net::ElectionEvent& event) {
    switch (event.kind) {
        case net::ElectionEvent::Kind::Transition: {
            const vrrp::Transition& transition = event.transition;
            tell_(logging::Level::Info, "vrrp", std::string("became ") + vrrp::toString(transition.to),
                  {{"vrid", transition.virtualRouterId},
                   {"family", vrrp::familyLabel(transition.ipv6)},
                   {"from", vrrp::toString(transition.from)},
                   {"priority", transition.priority},
                   {"cause", transition.cause}});
            moved_(transition);
            break;
        }
        case net::ElectionEvent::Kind::PacketRejected:
            logging::warning("vrrp", "advertisement rejected", {{"cause", event.text}});
            break;
        case net::ElectionEvent::Kind::Warning:
            logging::warning("vrrp", event.text);
            break;
    }
}

}  // namespace fairlead
