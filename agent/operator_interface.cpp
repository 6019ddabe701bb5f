#include "agent/operator_interface.h"

#include <map>
#include <system_error>
#include <utility>

#include "agent/admin/page.h"
#include "agent/located.h"
#include "agent/log/log.h"

namespace fairlead {
namespace {

admin::Response plain(unsigned status, std::string body) {
    return {.status = status, .body = std::move(body)};
}

}  // namespace

OperatorInterface::OperatorInterface(boost::asio::io_context& context, Answers answers)
    : context_(context),
      answers_(std::move(answers)),
      liveView_(context, answers_.status, answers_.history) {}

void OperatorInterface::start(const config::Configuration& configuration) {
    startAdmin(configuration);
    startControl(configuration.vrrp.virtualRouterId);
}

void OperatorInterface::startAdmin(const config::Configuration& configuration) {
    const config::AdminSecurity& security = configuration.adminSecurity;
    // Outside of the table, where cppcheck can read them.
    const auto ready = [this] {
        const std::string missing = answers_.notReady();
        return missing.empty() ? plain(200, "ok\n") : plain(503, missing + "\n");
    };
    const auto status = [this] {
        return admin::Response{.contentType = "application/json", .body = answers_.status()};
    };
    const auto metrics = [this] {
        return admin::Response{.contentType = "text/plain; version=0.0.4; charset=utf-8",
                               .body = answers_.metrics()};
    };
    const auto healthy = [] { return plain(200, "ok\n"); };
    admin::HttpOptions options{.routes = {{"/", admin::page},
                                          {"/healthz", healthy},
                                          {"/readyz", ready},
                                          {"/status", status},
                                          {"/metrics", metrics}},
                               .open = {"/healthz", "/readyz"},  // for the kubelet, which knows no token
                               .eventsPath = "/events",
                               .greeting = [this] { return liveView_.greeting(); },
                               .security = {.certFile = security.certFile,
                                            .keyFile = security.keyFile,
                                            .clientCaFile = security.clientCaFile,
                                            .tokenFile = security.tokenFile}};
    try {
        admin_ = std::make_unique<admin::HttpServer>(context_, configuration.admin, std::move(options));
    } catch (const std::system_error& error) {
        throw located(configuration, "admin.bind", error);
    }
    liveView_.start(*admin_);
}

void OperatorInterface::startControl(std::uint8_t virtualRouterId) {
    std::map<std::string, control::Handler> handlers{
        {"status",
         [this](const std::string&) { return control::Answer{.ok = true, .text = answers_.status()}; }},
        {"explain",
         [this](const std::string&) { return control::Answer{.ok = true, .text = answers_.history()}; }},
        {"handover", [this](const std::string&) { return answers_.handOver(); }},
        {"drain", [this](const std::string& backend) { return answers_.drain(backend, true); }},
        {"undrain", [this](const std::string& backend) { return answers_.drain(backend, false); }}};
    try {
        control_ = std::make_unique<control::ControlServer>(context_, virtualRouterId, std::move(handlers));
    } catch (const std::exception& error) {
        // Everything works but the commands that ask the agent.
        logging::warning("agent", "fairlead status, explain, drain and handover won't reach this agent",
                         {{"cause", error.what()},
                          {"hint", "does another agent of this virtual router ID run on this host?"}});
    }
}

void OperatorInterface::stop() {
    liveView_.stop();
    admin_->stop();
    if (control_) control_->stop();
}

}  // namespace fairlead
