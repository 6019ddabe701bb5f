#include "lb/kernel/nft_table.h"

#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace fairlead::lb {
namespace {

/// nft shows the text and a marker below its complaint, which is in the first line.
std::string firstLine(const char* text) {
    const std::string_view all(text ? text : "");
    const std::size_t begin = all.find_first_not_of(" \n");
    if (begin == std::string_view::npos) return "nft failed and did not say why";
    return std::string(all.substr(begin, all.find('\n', begin) - begin));
}

}  // namespace

std::string Nft::unavailable() {
    const int socket = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (socket < 0) return "it has no nfnetlink: " + std::generic_category().message(errno);
    ::close(socket);
    return "";
}

Nft::Nft() : context_(nullptr, nft_ctx_free) {
    if (const std::string why = unavailable(); !why.empty()) throw std::runtime_error(why);
    context_.reset(nft_ctx_new(NFT_CTX_DEFAULT));
    if (!context_) throw std::runtime_error("libnftables can't be set up");
    nft_ctx_buffer_output(context_.get());
    nft_ctx_buffer_error(context_.get());
}

std::expected<void, std::string> Nft::run(const std::string& text) {
    auto done = list(text, 0);
    if (!done) return std::unexpected(std::move(done.error()));
    return {};
}

std::expected<void, std::string> Nft::check(const std::string& text) {
    nft_ctx_set_dry_run(context_.get(), true);
    auto accepted = run(text);
    nft_ctx_set_dry_run(context_.get(), false);
    return accepted;
}

std::expected<std::string, std::string> Nft::list(const std::string& command, unsigned flags) {
    nft_ctx_output_set_flags(context_.get(), flags);
    const int result = nft_run_cmd_from_buffer(context_.get(), command.c_str());
    std::string output = nft_ctx_get_output_buffer(context_.get());
    const std::string error = firstLine(nft_ctx_get_error_buffer(context_.get()));
    if (result != 0) return std::unexpected(error);
    return output;
}

std::string Nft::fingerprint(const std::string& family, const std::string& table) {
    const auto text = list("list table " + family + " " + table, NFT_CTX_OUTPUT_STATELESS);
    if (!text) return "";
    // The kernel hands out a set's elements in any order; commas move with them.
    std::istringstream words(*text);
    std::vector<std::string> sorted{std::istream_iterator<std::string>(words), {}};
    for (std::string& word : sorted) {
        if (word.ends_with(',')) word.pop_back();
    }
    std::ranges::sort(sorted);
    std::string result;
    for (const std::string& word : sorted)
        result += word + ' ';
    return result;
}

std::vector<Endpoint> Nft::elements(const std::string& family, const std::string& table,
                                    const std::string& set) {
    std::vector<Endpoint> found;
    const auto text = list("list set " + family + " " + table + " " + set, NFT_CTX_OUTPUT_JSON);
    if (!text) return found;
    const auto json = nlohmann::json::parse(*text, nullptr, false);
    if (!json.is_object() || !json.contains("nftables")) return found;
    for (const auto& item : json["nftables"]) {
        if (!item.contains("set") || !item["set"].contains("elem")) continue;
        for (const auto& element : item["set"]["elem"]) {
            if (!element.contains("concat") || element["concat"].size() != 2) continue;
            const auto& address = element["concat"][0];
            const auto& port = element["concat"][1];
            if (!address.is_string() || !port.is_number_unsigned()) continue;
            boost::system::error_code error;
            const auto parsed = boost::asio::ip::make_address(address.get<std::string>(), error);
            if (!error) found.push_back({.address = parsed, .port = port.get<std::uint16_t>()});
        }
    }
    return found;
}

bool Nft::exists(const std::string& family, const std::string& table) {
    return list("list table " + family + " " + table, NFT_CTX_OUTPUT_TERSE).has_value();
}

bool Nft::remove(const std::string& family, const std::string& table) {
    if (!exists(family, table)) return false;
    if (const auto removed = run("delete table " + family + " " + table); !removed)
        throw std::runtime_error("table " + family + " " + table + ": " + removed.error());
    return true;
}

}  // namespace fairlead::lb
