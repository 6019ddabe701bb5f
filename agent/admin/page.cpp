#include "agent/admin/page.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>

namespace fairlead::admin {
namespace {

/// What stands between the tags of the page's one element of that name.
std::string_view inside(std::string_view text, std::string_view element) {
    const std::string opening = "<" + std::string(element) + ">";
    const std::size_t start = text.find(opening) + opening.size();
    return text.substr(start, text.find("</" + std::string(element) + ">", start) - start);
}

/// "'sha256-…'": CSP Level 3, 2.3.1.
std::string hashOf(std::string_view text) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> hash{};
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
    std::array<unsigned char, (SHA256_DIGEST_LENGTH + 2) / 3 * 4 + 1> base64{};
    EVP_EncodeBlock(base64.data(), hash.data(), static_cast<int>(hash.size()));
    return "'sha256-" + std::string(reinterpret_cast<const char*>(base64.data())) + "'";
}

}  // namespace

Response page() {
    const std::string_view text = pageText();
    return {.contentType = "text/html; charset=utf-8",
            .body = std::string(text),
            .headers = {{"Content-Security-Policy",
                         "default-src 'none'; script-src " + hashOf(inside(text, "script")) + "; style-src " +
                             hashOf(inside(text, "style")) +
                             "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                             "frame-ancestors 'none'"},
                        {"Referrer-Policy", "no-referrer"},
                        {"Cross-Origin-Resource-Policy", "same-origin"},
                        {"Cross-Origin-Opener-Policy", "same-origin"}}};
}

}  // namespace fairlead::admin
