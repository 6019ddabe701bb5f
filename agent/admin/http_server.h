#pragma once
// The admin HTTP server (Beast) on the control thread's io_context: GET and HEAD on a fixed set of paths, a
// query is ignored. An edge; every function and handler runs on the control thread.
//
// Bounded against bad clients by HttpLimits: a request has no body, a small header, and a time within which
// it must be there, answered and taken; a connection beyond the limit is accepted and closed at once.

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "lb/endpoint.h"

namespace fairlead::admin {

struct Response {
    unsigned status = 200;
    std::string contentType = "text/plain; charset=utf-8";
    std::string body;
};

struct HttpLimits {
    std::chrono::milliseconds request{10000};  ///< from the first byte of a request to the last of its answer
    std::chrono::milliseconds idle{30000};     ///< how long to wait for the first byte of a request
    std::size_t connections = 64;
};

/// Called for each request; an exception from it is logged and answered with 500.
using Handler = std::function<Response()>;

class HttpServer {
  public:
    /// Binds and listens at once. Throws std::system_error: "cannot listen on 127.0.0.1:16444 (admin.bind):
    /// Address already in use".
    HttpServer(boost::asio::io_context& context, const lb::Endpoint& bind,
               std::map<std::string, Handler> routes, HttpLimits limits = {});
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    [[nodiscard]] lb::Endpoint endpoint() const;  ///< bound (port 0 resolved)
    /// Closes the listener and every connection; no handler is called after it.
    void stop();

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace fairlead::admin
