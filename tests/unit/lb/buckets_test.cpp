#include "lb/balancing/buckets.h"

#include <gtest/gtest.h>

namespace fairlead::lb {
namespace {

constexpr std::size_t kSize = 8191;  // as lb/kernel has it

std::vector<BucketOwner> owners(std::size_t count) {
    std::vector<BucketOwner> all;
    for (std::size_t i = 0; i < count; ++i)
        all.push_back({.name = "10.10.1." + std::to_string(10 + i) + ":6443", .usable = true});
    return all;
}

std::size_t moved(const std::vector<std::uint32_t>& a, const std::vector<std::uint32_t>& b) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < kSize; ++i)
        count += a[i] != b[i];
    return count;
}

/// Every size that a control plane has, and some that only workers' backends have.
constexpr std::size_t kCounts[] = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20, 35, 50};

TEST(Buckets, WhenABackendGoesDownOnlyItsOwnBucketsMoveAndTheyComeBack) {
    for (const std::size_t n : kCounts) {
        std::vector<BucketOwner> all = owners(n);
        const auto before = bucketTable(all, kSize);
        for (std::size_t down = 0; down < n; ++down) {
            all[down].usable = false;
            const auto after = bucketTable(all, kSize);
            std::size_t kept = 0;
            std::size_t movedWithoutNeed = 0;
            for (std::size_t i = 0; i < kSize; ++i) {
                kept += after[i] == down;
                movedWithoutNeed += before[i] != down && after[i] != before[i];
            }
            EXPECT_EQ(kept, 0U) << "n = " << n << ", down: " << down;
            EXPECT_EQ(movedWithoutNeed, 0U) << "n = " << n << ", down: " << down;
            EXPECT_LE(static_cast<double>(moved(before, after)) / kSize, 1.0 / static_cast<double>(n) + 0.02);
            all[down].usable = true;
        }
        EXPECT_EQ(bucketTable(all, kSize), before);
    }
}

TEST(Buckets, WhenABackendLeavesOrJoinsTheListHardlyMoreThanItsShareMoves) {
    for (const std::size_t n : kCounts) {
        const std::vector<BucketOwner> all = owners(n);
        const auto before = bucketTable(all, kSize);
        for (std::size_t gone = 0; gone < n; ++gone) {
            std::vector<BucketOwner> fewer = all;
            fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(gone));
            auto after = bucketTable(fewer, kSize);
            for (std::uint32_t& owner : after)
                owner += owner >= gone;
            EXPECT_LE(static_cast<double>(moved(before, after)) / kSize, 1.0 / static_cast<double>(n) + 0.02)
                << "n = " << n << ", gone: " << gone;
        }
    }
}

TEST(Buckets, SharesAreEven) {
    for (std::size_t n = 2; n <= 10; ++n) {
        std::vector<std::size_t> share(n);
        for (const std::uint32_t owner : bucketTable(owners(n), kSize))
            ++share[owner];
        for (const std::size_t each : share)
            EXPECT_NEAR(static_cast<double>(each), static_cast<double>(kSize) / static_cast<double>(n), 2);
    }
}

TEST(Buckets, NobodyUsableMeansNoTable) {
    EXPECT_TRUE(bucketTable({}, kSize).empty());
    std::vector<BucketOwner> all = owners(2);
    all[0].usable = all[1].usable = false;
    EXPECT_TRUE(bucketTable(all, kSize).empty());
}

}  // namespace
}  // namespace fairlead::lb
