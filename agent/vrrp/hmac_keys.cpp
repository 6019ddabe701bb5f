#include "agent/vrrp/hmac_keys.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace fairlead::vrrp {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kHexPrefix = "hex:";

/// One byte more than a key may have, to tell a longer one.
struct Secret {
    std::array<std::uint8_t, kHmacKeyMax + 1> bytes{};
    std::size_t size = 0;  ///< may be beyond the bytes kept

    Secret() = default;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret() { OPENSSL_cleanse(bytes.data(), bytes.size()); }

    void push(std::uint8_t byte) {
        if (size < bytes.size()) bytes[size] = byte;
        ++size;
    }
};

std::string_view trimmed(std::string_view line) {
    const std::size_t first = line.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return line.substr(first, line.find_last_not_of(kBlanks) - first + 1);
}

std::optional<unsigned> digit(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
    return std::nullopt;
}

const char* readHex(Secret& secret, std::string_view text) {
    if (text.size() % 2 != 0) return "the key has an odd number of hexadecimal digits";
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const auto high = digit(text[i]);
        const auto low = digit(text[i + 1]);
        if (!high || !low) return "the key has something other than hexadecimal digits after 'hex:'";
        secret.push(static_cast<std::uint8_t>(*high << 4 | *low));
    }
    return nullptr;
}

const char* readText(Secret& secret, std::string_view text) {
    if (text.starts_with("file:")) return "a key file doesn't name another; write the key itself";
    for (const char c : text) {
        if (c < ' ' || c > '~') return "the key has something other than printable ASCII; write it as hex:…";
        secret.push(static_cast<std::uint8_t>(c));
    }
    return nullptr;
}

std::expected<HmacKey, std::string> readKey(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return std::unexpected("expected ID:hex:DIGITS or ID:TEXT");
    unsigned id = 0;
    const char* const begin = line.data();
    const char* const end = begin + colon;
    const auto [at, error] = std::from_chars(begin, end, id);
    if (colon == 0 || error != std::errc{} || at != end || id < 1 || id > 255)
        return std::unexpected("the key id must be 1 to 255, as in 1:hex:…");

    Secret secret;
    const std::string_view value = line.substr(colon + 1);
    if (!value.empty() && value.front() == ' ') return std::unexpected("a blank follows the key id's colon");
    if (const char* wrong = value.starts_with(kHexPrefix) ? readHex(secret, value.substr(kHexPrefix.size()))
                                                          : readText(secret, value)) {
        return std::unexpected(wrong);
    }
    if (secret.size > kHmacKeyMax) {
        return std::unexpected("the key has " + std::to_string(secret.size) + " bytes; it must have " +
                               std::to_string(kHmacKeyMin) + " to " + std::to_string(kHmacKeyMax));
    }
    const std::span<const std::uint8_t> bytes = std::span(secret.bytes).first(secret.size);
    auto key = HmacKey::make(id, bytes);
    if (key && std::ranges::all_of(bytes, [&](std::uint8_t byte) { return byte == bytes.front(); }))
        return std::unexpected("the key is one byte over and over; make one by `openssl rand -hex 32`");
    return key;
}

}  // namespace

std::expected<HmacKeys, std::string> parseHmacKeys(std::string_view text, const std::string& file) {
    if (text.size() > kHmacKeyFileMaxSize) return std::unexpected(file + ": is too long for a key file");
    HmacKeys keys;
    std::size_t number = 0;
    while (!text.empty()) {
        ++number;
        const auto wrong = [&](const std::string& what) {
            std::string error = file;
            error.append(":").append(std::to_string(number)).append(": ").append(what);
            return std::unexpected(std::move(error));
        };
        const std::size_t end = text.find('\n');
        const std::string_view line = trimmed(text.substr(0, end));
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        if (line.empty() || line.front() == '#') continue;
        const auto key = readKey(line);
        if (!key) return wrong(key.error());
        if (std::ranges::find(keys, key->id(), &HmacKey::id) != keys.end())
            return wrong("the key id " + std::to_string(key->id()) + " is there before");
        if (keys.size() == keys.capacity())
            return wrong("a third key; one that signs and one more to verify are enough");
        keys.push_back(*key);
    }
    if (keys.empty())
        return std::unexpected(file + ": holds no key; make one by `echo 1:hex:$(openssl rand -hex 32)`");
    return keys;
}

}  // namespace fairlead::vrrp
