#include "lb/balancing/picker.h"

#include <algorithm>
#include <string>
#include <utility>

#include "lb/balancing/maglev.h"

namespace fairlead::lb {

void Picker::setAlgorithm(Algorithm algorithm) {
    if (std::exchange(algorithm_, algorithm) != algorithm && snapshot_) adopt(snapshot_);
}

void Picker::adopt(SnapshotPtr snapshot) {
    snapshot_ = std::move(snapshot);
    if (algorithm_ != Algorithm::SourceHash) return;
    std::vector<std::string> names;
    names.reserve(snapshot_->usable.size());
    for (const std::size_t index : snapshot_->usable)
        names.push_back(toString(snapshot_->entries[index].backend.endpoint));
    table_ = maglevTable(names);
}

std::optional<std::size_t> Picker::pick(const boost::asio::ip::address& client,
                                        std::span<const Endpoint> tried, const OpenConnections& open) {
    if (!snapshot_ || snapshot_->usable.empty()) return std::nullopt;
    switch (algorithm_) {
        case Algorithm::RoundRobin:
            return pickInTurn(tried);
        case Algorithm::LeastConnections:
            return pickLeast(tried, open);
        case Algorithm::SourceHash:
            return pickByHash(client, tried);
    }
    return std::nullopt;
}

bool Picker::untried(std::size_t index, std::span<const Endpoint> tried) const {
    return std::find(tried.begin(), tried.end(), snapshot_->entries[index].backend.endpoint) == tried.end();
}

std::optional<std::size_t> Picker::pickInTurn(std::span<const Endpoint> tried) {
    const auto& usable = snapshot_->usable;
    for (std::size_t i = 0; i < usable.size(); ++i) {
        const std::size_t index = usable[turn_++ % usable.size()];
        if (untried(index, tried)) return index;
    }
    return std::nullopt;
}

std::optional<std::size_t> Picker::pickLeast(std::span<const Endpoint> tried, const OpenConnections& open) {
    const auto& usable = snapshot_->usable;
    std::optional<std::size_t> best;
    std::uint64_t fewest = 0;
    const std::size_t first = turn_++;
    for (std::size_t i = 0; i < usable.size(); ++i) {
        const std::size_t index = usable[(first + i) % usable.size()];
        if (!untried(index, tried)) continue;
        const std::uint64_t count = open(index);
        if (!best || count < fewest) {
            best = index;
            fewest = count;
        }
    }
    return best;
}

std::optional<std::size_t> Picker::pickByHash(const boost::asio::ip::address& client,
                                              std::span<const Endpoint> tried) const {
    const auto& usable = snapshot_->usable;
    if (std::none_of(usable.begin(), usable.end(), [&](std::size_t index) { return untried(index, tried); }))
        return std::nullopt;  // without walking the whole table for it
    const std::size_t home = stableHash(client.to_string()) % table_.size();
    for (std::size_t i = 0; i < table_.size(); ++i) {
        const std::size_t index = usable[table_[(home + i) % table_.size()]];
        if (untried(index, tried)) return index;
    }
    return std::nullopt;
}

}  // namespace fairlead::lb
