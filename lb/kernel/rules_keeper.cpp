#include "lb/kernel/rules_keeper.h"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

#include "lb/kernel/departures.h"
#include "lb/kernel/forwarding.h"
#include "lb/kernel/nft_counters.h"

namespace fairlead::lb {
namespace {

/// After a failure.
constexpr std::chrono::milliseconds kSoon{1000};
/// To read thousands of elements back costs much, and the kernel tells of changes anyway.
constexpr std::chrono::seconds kReadBack{60};

}  // namespace

RulesKeeper::RulesKeeper(const KernelOptions& options, Ruleset& ruleset, const EventSink& sink)
    : options_(options), ruleset_(ruleset), sink_(sink) {}

void RulesKeeper::prepare(const SnapshotPtr& snapshot) {
    current_ = snapshot;
    ruleset_.lookAround(*current_);
    for (const Family family : ruleset_.forwarded()) {
        if (forwards(family)) continue;
        const std::string setting = forwardingSetting(family);
        std::string text = "this host passes no packets on: sysctl -w ";
        text.append(setting).append("=1, and keep it in /etc/sysctl.d");
        throw std::runtime_error(text);
    }
    nft_ = std::make_unique<Nft>();
}

void RulesKeeper::begin() {
    watch_ = std::make_unique<RulesetWatch>(options_.table);
    for (const std::string& family : ruleset_.families()) {
        if (!nft_->exists(family, options_.table)) continue;
        adopted_ = true;
        for (const Endpoint& backend : nft_->elements(family, options_.table, "served"))
            trusted_.insert(backend);
    }
    if (const auto written = write(true); !written)
        throw std::runtime_error("the rules can't be put in place: " + written.error());
    remember();
    inPlace_ = true;
    if (adopted_) tell(Severity::Info, "adopted the rules of an earlier run", {{"table", options_.table}});
}

void RulesKeeper::put(const SnapshotPtr& snapshot) {
    current_ = snapshot;
    rewrite(false);
}

void RulesKeeper::choose(Algorithm algorithm) {
    ruleset_.choose(algorithm);
    rewrite(true);
}

void RulesKeeper::look() {
    const RulesetChange change = watch_->read();
    if (!change.table && Clock::now() < lookAt_) return;
    lookAt_ = Clock::now() + ruleset_.pace();
    if (!inPlace_) return rewrite(true);
    if (const auto changed = lookAround(); changed != Ruleset::Change::None)
        rewrite(changed == Ruleset::Change::Rules);
    complain();
    if (!change.table && Clock::now() < readBackAt_) return;
    readBackAt_ = Clock::now() + kReadBack;
    const bool whole = std::ranges::all_of(ruleset_.families(), [&](const std::string& family) {
        return nft_->fingerprint(family, options_.table) == fingerprints_[family];
    });
    if (whole) return;
    rewrite(true);
    tellMended(change.by);
}

void RulesKeeper::rewrite(bool whole) {
    const auto written = write(whole);
    inPlace_ = written.has_value();
    const std::string now = written ? "" : written.error();
    if (now != failure_) {
        failure_ = now;
        if (now.empty()) {
            tell(Severity::Info, "the rules are in place again", {{"table", options_.table}});
        } else {
            tell(Severity::Error, "the rules can't be put in place",
                 {{"table", options_.table}, {"cause", now}});
        }
    }
    remember();
}

std::expected<void, std::string> RulesKeeper::write(bool whole) {
    Ruleset::Counters counters;
    if (lookAround() == Ruleset::Change::Rules) whole = true;
    for (const std::string& family : ruleset_.counted()) {
        // What can't be read stays, and is deleted with the next change.
        const auto there = readCounters(family, options_.table);
        if (!there) continue;
        for (const auto& [name, counter] : *there)
            counters[family].push_back(name);
    }
    const SnapshotPtr snapshot = adopted_ ? trusting(current_, trusted_) : current_;
    std::expected<void, std::string> done;
    if (!whole) {
        done = nft_->run(ruleset_.contents(*snapshot, counters));
        if (done) return done;
    }
    done = nft_->run(ruleset_.rules() + ruleset_.contents(*snapshot, counters));
    if (done) {
        // They were gone before the news of it was read.
        if (!whole) tellMended(watch_->read().by);
        return done;
    }
    // What stands there was made by another version, and can't be changed into this one's.
    std::string text;
    for (const std::string& family : ruleset_.families()) {
        const std::string table = family + " " + options_.table;
        text.append("add table ").append(table).append("\ndelete table ").append(table).append("\n");
    }
    return nft_->run(text + ruleset_.rules() + ruleset_.contents(*snapshot, {}));
}

void RulesKeeper::remember() {
    for (const std::string& family : ruleset_.families())
        fingerprints_[family] = nft_->fingerprint(family, options_.table);
    lookAt_ = Clock::now() + (inPlace_ ? ruleset_.pace() : kSoon);
    readBackAt_ = Clock::now() + kReadBack;
}

void RulesKeeper::tellMended(const std::string& by) const {
    tell(Severity::Warning, "somebody changed the balancer's rules; they are mended",
         {{"table", options_.table}, {"by", by.empty() ? "unknown" : by}});
}

Ruleset::Change RulesKeeper::lookAround() {
    try {
        const Ruleset::Change change = ruleset_.lookAround(*current_);
        if (!std::exchange(blindness_, "").empty())
            tell(Severity::Info, "the rules follow this host again", {{"table", options_.table}});
        return change;
    } catch (const std::exception& error) {
        if (std::exchange(blindness_, error.what()) != blindness_)
            tell(Severity::Error, "the rules can't follow this host", {{"cause", blindness_}});
        return Ruleset::Change::None;
    }
}

void RulesKeeper::complain() {
    std::string now = ruleset_.complaint(*current_);
    if (now == complaint_) return;
    complaint_ = std::move(now);
    if (!complaint_.empty()) tell(Severity::Warning, complaint_, {{"table", options_.table}});
}

void RulesKeeper::keepNewOnesOff() {
    current_ = std::make_shared<Snapshot>();
    adopted_ = false;
    if (const auto emptied = write(false); !emptied)
        tell(Severity::Warning, "new connections can't be kept off", {{"cause", emptied.error()}});
}

void RulesKeeper::remove() {
    for (const std::string& family : ruleset_.families()) {
        try {
            nft_->remove(family, options_.table);
        } catch (const std::exception& error) {
            tell(Severity::Error, "rules are left behind; `fairlead cleanup` removes them",
                 {{"cause", error.what()}});
        }
    }
}

void RulesKeeper::tell(Severity severity, std::string message,
                       std::vector<std::pair<std::string, std::string>> fields) const {
    sink_({.severity = severity, .message = std::move(message), .fields = std::move(fields)});
}

}  // namespace fairlead::lb
