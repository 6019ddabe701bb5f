#include "agent/kubernetes/kubeconfig.h"

#include <openssl/evp.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "agent/files/small_file.h"

namespace fairlead::kubernetes {
namespace {

constexpr std::size_t kMostBytes = 1U << 20U;

/// Thrown inside the parser only, with what is to be said.
struct Refusal : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Aliases can explode and depth can overflow the stack: kubeconfigs have neither.
class StructureCheck : public YAML::EventHandler {
  public:
    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        throw YAML::ParserException(mark, "aliases are not supported");
    }
    void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                         YAML::EmitterStyle::value) override {
        enter(mark);
    }
    void OnSequenceEnd() override { --depth_; }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                    YAML::EmitterStyle::value) override {
        enter(mark);
    }
    void OnMapEnd() override { --depth_; }

  private:
    static constexpr int kDeepest = 32;
    void enter(const YAML::Mark& mark) {
        if (++depth_ > kDeepest) throw YAML::ParserException(mark, "nested too deeply");
    }
    int depth_ = 0;
};

class Parser {
  public:
    explicit Parser(std::string file) : file_(std::move(file)) {}

    Kubeconfig parse(const YAML::Node& root) {
        if (!root.IsMap()) throw Refusal(file_ + ": is no kubeconfig");
        const std::string contextName = text(root, "current-context");
        if (contextName.empty()) throw Refusal(file_ + ": current-context is missing or empty");
        const YAML::Node context = named(root, "contexts", "context", contextName);
        const std::string clusterName = text(context, "cluster");
        const std::string userName = text(context, "user");
        const YAML::Node cluster = named(root, "clusters", "cluster", clusterName);
        const YAML::Node user = named(root, "users", "user", userName);

        if (text(cluster, "insecure-skip-tls-verify") == "true") {
            refuse(cluster,
                   "insecure-skip-tls-verify is refused: an API server that isn't verified could send any "
                   "backends");
        }
        for (const char* plugin : {"exec", "auth-provider"}) {
            if (user[plugin]) {
                refuse(user[plugin], std::string(plugin) +
                                         " credential plugins are not supported; use a client certificate, "
                                         "token or tokenFile");
            }
        }
        if (user["username"] || user["password"])
            refuse(user, "basic authentication is not supported by Kubernetes since 1.19");

        Kubeconfig result;
        result.user = userName;
        result.server = text(cluster, "server");
        result.tlsServerName = text(cluster, "tls-server-name");
        result.caPem = decoded(cluster, "certificate-authority-data");
        result.caFile = text(cluster, "certificate-authority");
        result.clientCertificatePem = decoded(user, "client-certificate-data");
        result.clientCertificateFile = text(user, "client-certificate");
        result.clientKeyPem = decoded(user, "client-key-data");
        result.clientKeyFile = text(user, "client-key");
        result.token = text(user, "token");
        result.tokenFile = text(user, "tokenFile");

        const bool certificate =
            !result.clientCertificatePem.empty() || !result.clientCertificateFile.empty();
        const bool key = !result.clientKeyPem.empty() || !result.clientKeyFile.empty();
        if (certificate != key)
            refuse(user, "user '" + userName + "' has only one of client certificate and client key");
        if (!certificate && result.token.empty() && result.tokenFile.empty()) {
            refuse(user, "user '" + userName + "' has no client certificate, token or tokenFile");
        }
        if (result.caPem.empty() && result.caFile.empty()) {
            refuse(cluster, "cluster '" + clusterName +
                                "' has no certificate-authority; the API server could not be verified");
        }
        return result;
    }

  private:
    [[noreturn]] void refuse(const YAML::Node& where, const std::string& what) const {
        throw Refusal(file_ + ":" + std::to_string(where.Mark().line + 1) + ": " + what);
    }

    [[nodiscard]] std::string text(const YAML::Node& map, const char* key) const {
        const YAML::Node value = map[key];
        if (!value || value.IsNull()) return "";
        if (!value.IsScalar()) refuse(value, std::string(key) + " must be one value");
        return value.Scalar();
    }

    [[nodiscard]] YAML::Node named(const YAML::Node& root, const char* list, const char* member,
                                   const std::string& name) const {
        const YAML::Node items = root[list];
        if (items && items.IsSequence()) {
            for (const YAML::Node& item : items) {
                if (!item.IsMap() || text(item, "name") != name) continue;
                const YAML::Node found = item[member];
                if (!found || !found.IsMap()) refuse(item, std::string(member) + " '" + name + "' is empty");
                return found;
            }
        }
        throw Refusal(file_ + ": there is no " + member + " '" + name + "' in " + list);
    }

    [[nodiscard]] std::string decoded(const YAML::Node& map, const char* key) const {
        std::string encoded = text(map, key);
        std::erase_if(encoded, [](char c) { return c == '\n' || c == '\r' || c == ' '; });
        if (encoded.empty()) return "";
        std::string bytes(encoded.size() / 4 * 3 + 3, '\0');
        const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                         reinterpret_cast<const unsigned char*>(encoded.data()),
                                         static_cast<int>(encoded.size()));
        if (size < 0) refuse(map[key], std::string(key) + " is not base64");
        std::size_t padding = 0;
        while (padding < 2 && encoded[encoded.size() - 1 - padding] == '=')
            ++padding;
        bytes.resize(static_cast<std::size_t>(size) - padding);
        return bytes;
    }

    std::string file_;
};

/// `pem` if given, else the content of `file`, which is looked for in `folder`.
std::string fileOr(const std::string& pem, const std::string& file, const std::filesystem::path& folder) {
    if (!pem.empty() || file.empty()) return pem;
    auto content = files::readSmallFile((folder / file).string());
    if (!content) throw Refusal(content.error().text);
    return std::move(content->text);
}

}  // namespace

std::expected<Kubeconfig, std::string> parseKubeconfig(std::string_view text, const std::string& file) {
    if (text.size() > kMostBytes) return std::unexpected(file + ": is larger than 1 MiB");
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser events(stream);
        StructureCheck check;
        events.HandleNextDocument(check);
        return Parser(file).parse(YAML::Load(std::string(text)));
    } catch (const Refusal& refusal) {
        return std::unexpected(refusal.what());
    } catch (const YAML::Exception& error) {
        const std::string line = error.mark.is_null() ? "" : ":" + std::to_string(error.mark.line + 1);
        return std::unexpected(file + line + ": " + error.msg);
    } catch (const std::logic_error& error) {
        // yaml-cpp's scanner lets these out on some garbage.
        return std::unexpected(file + ": not YAML: " + error.what());
    }
}

std::expected<Identity, std::string> loadIdentity(const std::string& file) {
    const auto text = files::readSmallFile(file);
    if (!text) return std::unexpected(text.error().text);
    auto config = parseKubeconfig(text->text, file);
    if (!config) return std::unexpected(std::move(config.error()));
    const std::filesystem::path folder = std::filesystem::path(file).parent_path();
    try {
        Identity identity{.file = file,
                          .user = config->user,
                          .server = config->server,
                          .tlsServerName = config->tlsServerName,
                          .files = {file}};
        for (const std::string* named :
             {&config->caFile, &config->clientCertificateFile, &config->clientKeyFile, &config->tokenFile}) {
            if (!named->empty()) identity.files.push_back((folder / *named).string());
        }
        identity.caPem = fileOr(config->caPem, config->caFile, folder);
        identity.clientCertificatePem =
            fileOr(config->clientCertificatePem, config->clientCertificateFile, folder);
        identity.clientKeyPem = fileOr(config->clientKeyPem, config->clientKeyFile, folder);
        // A tokenFile is renewed in place and wins over the token, as in client-go.
        identity.token = config->tokenFile.empty() ? config->token : fileOr("", config->tokenFile, folder);
        while (!identity.token.empty() && (identity.token.back() == '\n' || identity.token.back() == '\r'))
            identity.token.pop_back();
        for (const char c : identity.token) {
            // It goes into a header line.
            if (c <= ' ' || c >= 0x7f) throw Refusal(file + ": the token holds characters that no token has");
        }
        return identity;
    } catch (const Refusal& refusal) {
        return std::unexpected(refusal.what());
    }
}

}  // namespace fairlead::kubernetes
