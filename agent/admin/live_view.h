#pragma once
// Keeps those who look at the page informed: state once a second and at once when something happened, history
// when there is more of it. While nobody looks it does nothing. Control thread.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <string>

#include "agent/admin/http_server.h"

namespace fairlead::admin {

class LiveView {
  public:
    using Document = std::function<std::string()>;  ///< JSON

    LiveView(boost::asio::io_context& context, Document status, Document history);

    /// The first events of whoever begins to look.
    [[nodiscard]] std::string greeting() const;
    /// To be called once; `server` must outlive this.
    void start(HttpServer& server);
    /// Something happened that nobody should have to wait for.
    void changed();
    void stop();

  private:
    void schedule(std::chrono::milliseconds wait);
    void tell();
    [[nodiscard]] std::string statusEvent() const;

    const Document status_;
    const Document history_;
    HttpServer* server_ = nullptr;
    boost::asio::steady_timer timer_;
    std::string toldHistory_;
    bool hurrying_ = false;
};

}  // namespace fairlead::admin
