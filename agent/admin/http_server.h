#pragma once
// The admin HTTP server (Beast) on the control thread's io_context: GET and HEAD on a fixed set of paths.
// Bounded against bad clients: header and body limits, a time limit per request, a limit on connections.

#include <boost/asio/io_context.hpp>

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

/// Called on the control thread for each request.
using Handler = std::function<Response()>;

class HttpServer {
  public:
    /// Binds and listens at once. Throws std::system_error whose text names the endpoint.
    HttpServer(boost::asio::io_context& context, const lb::Endpoint& bind,
               std::map<std::string, Handler> routes);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    [[nodiscard]] lb::Endpoint endpoint() const;  ///< bound (port 0 resolved)
    void stop();

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace fairlead::admin
