#include "agent/admin/http_access.h"

#include <boost/asio/ip/address.hpp>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>
#include <optional>
#include <vector>

#include "agent/files/small_file.h"

namespace fairlead::admin {
namespace {

bool startsWithWord(std::string_view text, std::string_view word) {
    if (text.size() <= word.size() || text[word.size()] != ' ') return false;
    for (std::size_t i = 0; i < word.size(); ++i) {
        // A scheme's case doesn't matter.
        if ((text[i] | 0x20) != word[i]) return false;
    }
    return true;
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::optional<std::string> fromBase64(std::string_view text) {
    if (text.empty() || text.size() % 4 != 0 || text.size() > 4096) return std::nullopt;
    std::vector<unsigned char> bytes(text.size() / 4 * 3);
    const int length = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                                       static_cast<int>(text.size()));
    if (length < 0) return std::nullopt;
    std::string result(bytes.begin(), bytes.begin() + length);
    // EVP_DecodeBlock gives a NUL for each '=' of the padding.
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    result.resize(result.size() - padding);
    return result;
}

/// By their hashes, which are of one length.
bool same(std::string_view a, std::string_view b) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> hashA{};
    std::array<unsigned char, SHA256_DIGEST_LENGTH> hashB{};
    SHA256(reinterpret_cast<const unsigned char*>(a.data()), a.size(), hashA.data());
    SHA256(reinterpret_cast<const unsigned char*>(b.data()), b.size(), hashB.data());
    return CRYPTO_memcmp(hashA.data(), hashB.data(), hashA.size()) == 0;
}

}  // namespace

std::expected<std::string, std::string> tokenIn(std::string_view content) {
    const std::string_view token = trimmed(content.substr(0, content.find('\n')));
    if (token.size() < kShortestToken) {
        return std::unexpected("its first line must be a token of " + std::to_string(kShortestToken) +
                               " characters at least; for one: openssl rand -hex 32");
    }
    return std::string(token);
}

std::expected<std::string, std::string> readToken(const std::string& file) {
    const auto content = files::readSmallFile(file);
    if (!content) return std::unexpected(content.error().text);
    auto token = tokenIn(content->text);
    if (!token) return std::unexpected(file + ": " + token.error());
    return token;
}

bool showsToken(std::string_view authorization, std::string_view token) {
    if (startsWithWord(authorization, "bearer")) return same(trimmed(authorization.substr(7)), token);
    if (!startsWithWord(authorization, "basic")) return false;
    const auto credentials = fromBase64(trimmed(authorization.substr(6)));
    if (!credentials) return false;
    const std::size_t colon = credentials->find(':');
    return colon != std::string::npos && same(std::string_view(*credentials).substr(colon + 1), token);
}

bool namesLoopbackSafely(std::string_view host) {
    if (host.starts_with('[')) {
        const std::size_t end = host.find(']');
        if (end == std::string_view::npos) return false;
        host = host.substr(1, end - 1);
    } else {
        host = host.substr(0, host.find(':'));
    }
    if (host == "localhost") return true;
    boost::system::error_code error;
    boost::asio::ip::make_address(std::string(host), error);
    return !error;
}

}  // namespace fairlead::admin
