#include "lb/balancing/picker.h"

#include <algorithm>
#include <string>
#include <utility>

#include "lb/balancing/maglev.h"
#include "lb/balancing/slow_start.h"

namespace fairlead::lb {
namespace {

constexpr std::uint64_t kComingHomeSeed = 3;  // another one than those of the table

/// Which clients come home first, from 0 to 1: independent of where their home is.
double orderOf(const std::string& client) {
    constexpr double kScale = 1.0 / 18446744073709551616.0;  // 2^-64
    return static_cast<double>(stableHash(client, kComingHomeSeed)) * kScale;
}

}  // namespace

void Picker::setOptions(const PickerOptions& options, TimePoint now) {
    options_ = options;
    if (snapshot_) adopt(snapshot_, now);
}

void Picker::adopt(SnapshotPtr snapshot, TimePoint now) {
    snapshot_ = std::move(snapshot);
    credit_.assign(snapshot_->entries.size(), 0.0);
    warmUntil_ = TimePoint::min();
    local_.clear();
    std::vector<std::size_t> settled;
    for (const std::size_t index : snapshot_->usable) {
        const SnapshotEntry& entry = snapshot_->entries[index];
        if (entry.local && options_.preferLocal && !snapshot_->fallOpen) local_.push_back(index);
        if (entry.returned && share(index, now) < 1.0) {
            warmUntil_ = std::max(warmUntil_, *entry.returned + options_.slowStart);
        } else {
            settled.push_back(index);
        }
    }
    if (options_.algorithm != Algorithm::SourceHash) return;
    table_ = tableOf(snapshot_->usable);
    settled_ = settled.size() < snapshot_->usable.size() ? tableOf(settled) : Table();
}

Picker::Table Picker::tableOf(const std::vector<std::size_t>& indexes) const {
    std::vector<std::string> names;
    names.reserve(indexes.size());
    for (const std::size_t index : indexes)
        names.push_back(toString(snapshot_->entries[index].backend.endpoint));
    Table table = maglevTable(names);
    for (std::uint32_t& slot : table)
        slot = static_cast<std::uint32_t>(indexes[slot]);
    return table;
}

std::optional<std::size_t> Picker::pick(const boost::asio::ip::address& client,
                                        std::span<const Endpoint> tried, const OpenConnections& open,
                                        TimePoint now) {
    if (!snapshot_ || snapshot_->usable.empty()) return std::nullopt;
    if (const auto local = pickLocal(tried, now)) return local;
    switch (options_.algorithm) {
        case Algorithm::RoundRobin:
            return pickInTurn(tried, now);
        case Algorithm::LeastConnections:
            return pickLeast(tried, open, now);
        case Algorithm::SourceHash:
            return pickByHash(client, tried, now);
    }
    return std::nullopt;
}

bool Picker::untried(std::size_t index, std::span<const Endpoint> tried) const {
    return std::find(tried.begin(), tried.end(), snapshot_->entries[index].backend.endpoint) == tried.end();
}

double Picker::share(std::size_t index, TimePoint now) const {
    return shareOf(snapshot_->entries[index].returned, options_.slowStart, now);
}

bool Picker::admits(std::size_t index, TimePoint now) {
    if (!warming(now)) return true;
    double& credit = credit_[index];
    credit += share(index, now);
    if (credit < 1.0) return false;
    credit -= 1.0;
    return true;
}

std::optional<std::size_t> Picker::pickLocal(std::span<const Endpoint> tried, TimePoint now) {
    for (const std::size_t index : local_) {
        if (untried(index, tried) && admits(index, now)) return index;
    }
    return std::nullopt;
}

std::optional<std::size_t> Picker::pickInTurn(std::span<const Endpoint> tried, TimePoint now) {
    const auto& usable = snapshot_->usable;
    std::optional<std::size_t> passedOver;
    for (std::size_t i = 0; i < usable.size(); ++i) {
        const std::size_t index = usable[turn_++ % usable.size()];
        if (!untried(index, tried)) continue;
        if (admits(index, now)) return index;
        if (!passedOver) passedOver = index;
    }
    return passedOver;
}

std::optional<std::size_t> Picker::pickLeast(std::span<const Endpoint> tried, const OpenConnections& open,
                                             TimePoint now) {
    const auto& usable = snapshot_->usable;
    const bool weighed = warming(now);
    std::optional<std::size_t> best;
    double fewest = 0;
    const std::size_t first = turn_++;
    for (std::size_t i = 0; i < usable.size(); ++i) {
        const std::size_t index = usable[(first + i) % usable.size()];
        if (!untried(index, tried)) continue;
        // The one to come is counted, so that nought connections weigh something, too.
        double count = static_cast<double>(open(index)) + 1.0;
        if (weighed) count /= share(index, now);
        if (!best || count < fewest) {
            best = index;
            fewest = count;
        }
    }
    return best;
}

std::optional<std::size_t> Picker::pickByHash(const boost::asio::ip::address& client,
                                              std::span<const Endpoint> tried, TimePoint now) const {
    const auto& usable = snapshot_->usable;
    if (std::none_of(usable.begin(), usable.end(), [&](std::size_t index) { return untried(index, tried); }))
        return std::nullopt;  // without walking the whole table for it
    const std::string name = client.to_string();
    const std::size_t home = stableHash(name) % table_.size();
    if (warming(now) && !settled_.empty() && orderOf(name) >= share(table_[home], now)) {
        const std::size_t meanwhile = settled_[home];
        if (untried(meanwhile, tried)) return meanwhile;
    }
    for (std::size_t i = 0; i < table_.size(); ++i) {
        const std::size_t index = table_[(home + i) % table_.size()];
        if (untried(index, tried)) return index;
    }
    return std::nullopt;
}

}  // namespace fairlead::lb
