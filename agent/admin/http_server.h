#pragma once
// The admin HTTP server (Beast) on the control thread's io_context: GET and HEAD on a fixed set of paths, a
// query is ignored, and one stream of server-sent events (HTML Living Standard, 9.2). An edge; every function
// and handler runs on the control thread.
//
// Bounded against bad clients by HttpLimits: a request has no body, a small header, and a time within which
// it must be there, answered and taken; a connection beyond the limit is accepted and closed at once. A
// listener to the events that doesn't take them in time is dropped.
//
// Who may ask (HttpSecurity, http_access.h): with a token or a CA for clients, only who shows one or the
// other, but for the paths in `open`. On a loopback address only requests that name this host by an address
// or as localhost are answered, so that a web page elsewhere can't read them through a browser here (DNS
// rebinding).

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/admin/http_access.h"
#include "lb/endpoint.h"

namespace fairlead::admin {

struct Response {
    unsigned status = 200;
    std::string contentType = "text/plain; charset=utf-8";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;  ///< beside the usual ones
};

struct HttpLimits {
    std::chrono::milliseconds request{10000};  ///< from the first byte of a request to the last of its answer
    std::chrono::milliseconds idle{30000};     ///< how long to wait for the first byte of a request
    std::size_t connections = 64;
    std::size_t listeners = 8;  ///< to the events, of the connections
    std::size_t unsent = 16;    ///< events that one listener may be behind
    unsigned handshakes = 50;   ///< of TLS, begun in a second; who comes faster waits
};

/// Called for each request; an exception from it is logged and answered with 500.
using Handler = std::function<Response()>;

struct HttpOptions {
    std::map<std::string, Handler> routes;
    std::set<std::string> open;  ///< of the routes, those that everybody may ask
    std::string eventsPath;      ///< empty: there are none
    /// The first events of a new listener, as event() makes them.
    std::function<std::string()> greeting;
    HttpSecurity security;
    HttpLimits limits;
};

class HttpServer {
  public:
    /// Binds and listens at once. Throws std::system_error: "cannot listen on 127.0.0.1:16444 (admin.bind):
    /// Address already in use", and std::runtime_error for certificates and tokens that can't be used.
    HttpServer(boost::asio::io_context& context, const lb::Endpoint& bind, HttpOptions options);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    [[nodiscard]] lb::Endpoint endpoint() const;  ///< bound (port 0 resolved)

    /// To everybody who listens to the events; `text` as event() makes it.
    void publish(std::string text);
    [[nodiscard]] std::size_t listeners() const;

    /// Closes the listener and every connection; no handler is called after it.
    void stop();

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

/// One server-sent event; `data` may have several lines.
std::string event(std::string_view name, std::string_view data);

}  // namespace fairlead::admin
