#pragma once
// From a CA file to the TLS settings of a client that trusts exactly the certificates in it. Keeps what it
// read, and reads a file again whenever its modification time, size or inode changes, so that a renewed CA
// needs no restart. Control thread only; the file is local and small, reading it is all that can take time.

#include <boost/asio/ssl/context.hpp>

#include <cstdint>
#include <ctime>
#include <expected>
#include <map>
#include <memory>
#include <string>

namespace fairlead::lb {

using TlsContextPtr = std::shared_ptr<boost::asio::ssl::context>;

class TrustStore {
  public:
    /// The settings for `caFile` as it is now: TLS 1.2 or later, peer certificate required. The error names
    /// the file and what is wrong with it; an error is not kept, the next call tries again.
    std::expected<TlsContextPtr, std::string> contextFor(const std::string& caFile);

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
    struct Entry {
        Stamp stamp;
        TlsContextPtr context;
    };

    std::map<std::string, Entry> entries_;  ///< by file; as many as the configuration names
};

}  // namespace fairlead::lb
