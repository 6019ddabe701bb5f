#pragma once
// Who may ask the admin server: what a request shows is compared with what is configured. Pure, but for the
// two that read files.

#include <expected>
#include <string>
#include <string_view>

namespace fairlead::admin {

/// Files; empty: not asked for.
struct HttpSecurity {
    std::string certFile;  ///< makes it https
    std::string keyFile;
    std::string clientCaFile;  ///< whose certificates open everything
    std::string tokenFile;     ///< whose first line opens everything

    [[nodiscard]] bool tls() const { return !certFile.empty(); }
    [[nodiscard]] bool restricted() const { return !clientCaFile.empty() || !tokenFile.empty(); }
};

/// No token is shorter.
inline constexpr std::size_t kShortestToken = 16;

/// The token in a file's content: its first line without blanks around it; the error is one phrase.
std::expected<std::string, std::string> tokenIn(std::string_view content);
/// Of that file; the error names it.
std::expected<std::string, std::string> readToken(const std::string& file);

/// Whether an Authorization header (RFC 9110 §11.6.2) shows the token: "Bearer TOKEN" (RFC 6750), or "Basic"
/// with the token as anybody's password (RFC 7617), which is what a browser can do. Takes as long whatever
/// the difference is.
bool showsToken(std::string_view authorization, std::string_view token);

/// Whether a Host header (RFC 9110 §7.2) names this host by an address, or as localhost: nobody's DNS says
/// so.
bool namesLoopbackSafely(std::string_view host);

}  // namespace fairlead::admin
