#pragma once
// Learns when somebody changes one's tables of nftables, by the kernel's notifications (nfnetlink, group
// NFNLGRP_NFTABLES). One thread.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace fairlead::lb {

struct RulesetChange {
    bool table = false;     ///< the table of that name was touched, by whomever
    std::string by;         ///< "nft (pid 812)", the last one that changed any; empty: the kernel doesn't say
    std::uint32_t pid = 0;  ///< its process
};

/// Reads one datagram of notifications; bytes that make no sense are passed over. Pure.
void readRulesetChange(std::span<const std::uint8_t> datagram, const std::string& table,
                       RulesetChange& change);

class RulesetWatch {
  public:
    /// Throws std::system_error.
    explicit RulesetWatch(std::string table);
    ~RulesetWatch();
    RulesetWatch(const RulesetWatch&) = delete;
    RulesetWatch& operator=(const RulesetWatch&) = delete;

    /// Readable when there is something to read.
    [[nodiscard]] int descriptor() const { return socket_; }

    /// What happened since the last call; never blocks. If notifications were lost the table counts as
    /// touched.
    RulesetChange read();

  private:
    std::string table_;
    int socket_ = -1;
};

}  // namespace fairlead::lb
