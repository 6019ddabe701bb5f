#include "agent/authentication/authentication_files.h"

#include <openssl/crypto.h>
#include <sys/stat.h>

#include <cerrno>

#include "agent/files/small_file.h"

namespace fairlead::authentication {

std::expected<HmacKeyFile, std::string> readHmacKeyFile(const std::string& file) {
    auto content = files::readSmallFile(file);
    if (!content) return std::unexpected(content.error().text);
    if ((content->mode & (S_IWGRP | S_IRWXO)) != 0) {
        return std::unexpected(file + ": others than its owner may read or write it; run `chmod 600 " + file +
                               "`");
    }
    auto keys = vrrp::parseHmacKeys(content->text, file);
    OPENSSL_cleanse(content->text.data(), content->text.size());
    if (!keys) return std::unexpected(keys.error());
    HmacKeyFile result{.keys = std::move(*keys), .warning = {}};
    if ((content->mode & S_IRGRP) != 0) result.warning = file + ": its group may read it";
    return result;
}

std::expected<vrrp::ReplayState, std::string> readReplayState(const std::string& file) {
    const auto content = files::readSmallFile(file);
    if (!content) {
        if (content.error().code == ENOENT) return vrrp::ReplayState{};
        return std::unexpected(content.error().text);
    }
    auto state = vrrp::parseReplayState(content->text);
    if (!state) return std::unexpected(file + ':' + state.error());
    return state;
}

}  // namespace fairlead::authentication
