#pragma once
// From files to the TLS settings of a client: it trusts exactly the certificates in a CA file and, where
// there is one, shows a certificate of its own. Keeps what it read, and reads the files again whenever the
// modification time, size or inode of one changes, so that a renewal needs no restart. Control thread only;
// the files are local and small, reading them is all that can take time.

#include <boost/asio/ssl/context.hpp>

#include <compare>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>

namespace fairlead::lb {

using TlsContextPtr = std::shared_ptr<boost::asio::ssl::context>;

struct TlsFiles {
    std::string caFile;
    std::string certFile, keyFile;  ///< both or none
    friend auto operator<=>(const TlsFiles&, const TlsFiles&) = default;
};

struct TlsSettings {
    TlsContextPtr context;
    bool showsCertificate = false;
    /// Why the certificate in certFile isn't the one that is shown; empty: it is, or none is wanted.
    std::string problem;
};

class TrustStore {
  public:
    /// The settings for these files as they are now: TLS 1.2 or later, peer certificate required. The error
    /// names the CA file and what is wrong with it; it is not kept, the next call tries again.
    ///
    /// A certificate or key that can't be used is no error, since a server may answer without: the pair that
    /// was good before is shown (a renewal replaces one file after the other), else none.
    std::expected<TlsSettings, std::string> settingsFor(const TlsFiles& files);

  private:
    /// What tells one content of a file from another without reading it.
    struct Stamp {
        std::uint64_t device = 0;
        std::uint64_t inode = 0;
        std::int64_t size = 0;
        std::int64_t modifiedSeconds = 0;
        std::int64_t modifiedNanoseconds = 0;
        friend bool operator==(const Stamp&, const Stamp&) = default;
    };
    struct Opened;
    struct Entry {
        Stamp ca, cert, key;
        TlsSettings settings;
    };

    static std::expected<Opened, std::string> open(const std::string& file);
    static std::expected<TlsContextPtr, std::string> trusting(const std::string& caPem);
    static std::string show(SSL_CTX* context, const TlsFiles& files,
                            const std::expected<Opened, std::string>& cert,
                            const std::expected<Opened, std::string>& key);

    std::map<TlsFiles, Entry> entries_;  ///< as many as the configuration names
};

}  // namespace fairlead::lb
