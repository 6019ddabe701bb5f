#include "agent/admin/live_view.h"

#include <chrono>
#include <utility>

namespace fairlead::admin {
namespace {

constexpr std::chrono::milliseconds kInterval{1000};
/// What happens together is told together.
constexpr std::chrono::milliseconds kHurry{50};

}  // namespace

LiveView::LiveView(boost::asio::io_context& context, Document status, Document history)
    : status_(std::move(status)), history_(std::move(history)), timer_(context) {}

std::string LiveView::statusEvent() const {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return event("status",
                 "{\"microseconds\": " +
                     std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count()) +
                     ", \"status\": " + status_() + "}");
}

std::string LiveView::greeting() const {
    return event("history", history_()) + statusEvent();
}

void LiveView::start(HttpServer& server) {
    server_ = &server;
    schedule(kInterval);
}

void LiveView::schedule(std::chrono::milliseconds wait) {
    timer_.expires_after(wait);
    timer_.async_wait([this](const boost::system::error_code& cancelled) {
        if (cancelled || !server_) return;
        hurrying_ = false;
        tell();
        schedule(kInterval);
    });
}

void LiveView::changed() {
    if (!server_ || server_->listeners() == 0 || std::exchange(hurrying_, true)) return;
    schedule(kHurry);
}

void LiveView::tell() {
    if (server_->listeners() == 0) return;
    std::string events;
    if (std::string history = history_(); history != toldHistory_) {
        events = event("history", history);
        toldHistory_ = std::move(history);
    }
    server_->publish(events + statusEvent());
}

void LiveView::stop() {
    server_ = nullptr;
    timer_.cancel();
}

}  // namespace fairlead::admin
