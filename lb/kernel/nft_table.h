#pragma once
// One agent's tables of nftables, through libnftables: text goes in as one transaction, which the kernel
// carries out wholly or not at all, and in between no packet sees half of it. One thread at a time.

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "lb/kernel/options.h"

struct nft_ctx;

namespace fairlead::lb {

class Nft {
  public:
    /// Why this kernel can't be spoken to about nftables at all; empty: it can. libnftables itself would end
    /// the process.
    static std::string unavailable();

    /// Throws std::runtime_error if libnftables can't be set up, or unavailable() says why.
    Nft();

    /// Runs the text. The error is nft's own, on one line.
    std::expected<void, std::string> run(const std::string& text);

    /// Has the kernel go through the text as for run(), and then drop it all: nothing changes, nobody is
    /// told.
    std::expected<void, std::string> check(const std::string& text);

    /// The table without counters' values, in a form that is equal for equal contents: its words, sorted.
    /// Empty: there is no such table, or it can't be read.
    std::string fingerprint(const std::string& family, const std::string& table);

    /// The addresses and ports in a set of such; empty if there is none.
    std::vector<Endpoint> elements(const std::string& family, const std::string& table,
                                   const std::string& set);

    /// Whether the table is there.
    bool exists(const std::string& family, const std::string& table);

    /// Removes the table; whether it was there. Throws std::runtime_error if it can't be removed.
    bool remove(const std::string& family, const std::string& table);

  private:
    std::expected<std::string, std::string> list(const std::string& command, unsigned flags);

    std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> context_;
};

}  // namespace fairlead::lb
