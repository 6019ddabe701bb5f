#pragma once
// For tests: tests/lab/api_stand_in.py as a child process, the certificates and kubeconfigs for it in a
// folder of their own, and a control connection to it. Its stdin is our pipe, so it ends with us, whatever
// happens.

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/await.h"

namespace fairlead::kubernetes {

using test::await;
using Json = nlohmann::json;

/// A CA, a foreign CA, server certificates and one of a client, made with openssl; and kubeconfigs.
class Pki {
  public:
    Pki() {
        std::string name =
            (std::filesystem::temp_directory_path() / "fairlead-kubernetes-test-XXXXXX").string();
        if (!mkdtemp(name.data())) throw std::runtime_error("mkdtemp " + name);
        folder_ = name;
        authority("ca");
        authority("foreign");
        sign("server", "/CN=kube-apiserver", "subjectAltName=DNS:kubernetes,IP:127.0.0.1,IP:::1");
        sign("misnamed", "/CN=kubernetes", "subjectAltName=DNS:another");
        sign("client", "/O=kubeadm:cluster-admins/CN=kubernetes-admin", "extendedKeyUsage=clientAuth");
    }
    ~Pki() { std::filesystem::remove_all(folder_); }
    Pki(const Pki&) = delete;
    Pki& operator=(const Pki&) = delete;

    [[nodiscard]] std::string file(const std::string& name) const { return (folder_ / name).string(); }

    /// Writes one that names its files relatively; `user` and `cluster` are YAML flow entries.
    [[nodiscard]] std::string kubeconfig(const std::string& name, const std::string& user,
                                         const std::string& cluster = "certificate-authority: ca.crt") const {
        const std::string fresh = file(name + ".new");
        std::ofstream(fresh) << "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                             << "clusters: [{name: k, cluster: {server: 'https://unused:6443', " << cluster
                             << "}}]\nusers: [{name: u, user: {" << user << "}}]\n";
        std::filesystem::rename(fresh, file(name));
        return file(name);
    }
    [[nodiscard]] std::string clientKubeconfig(const std::string& name = "admin.conf") const {
        return kubeconfig(name, "client-certificate: client.crt, client-key: client.key");
    }

    /// A new certificate and key in the place of `name`.crt and .key.
    void renewClient(const std::string& name) const {
        sign("fresh", "/O=kubeadm:cluster-admins/CN=kubernetes-admin", "extendedKeyUsage=clientAuth");
        for (const char* end : {".key", ".crt"})
            std::filesystem::rename(file(std::string("fresh") + end), file(name + end));
    }

  private:
    void openssl(const std::string& arguments) const {
        const std::string command =
            "cd '" + folder_.string() + "' && openssl " + arguments + " >>openssl.log 2>&1";
        // The folder is ours, and so is every argument.
        if (std::system(command.c_str()) != 0)  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
            throw std::runtime_error(command);
    }
    void authority(const std::string& name) const {
        openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj /CN=" + name +
                " -keyout " + name + ".key -out " + name + ".crt");
    }
    void sign(const std::string& name, const std::string& subject, const std::string& extension) const {
        openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '" + subject + "' -keyout " +
                name + ".key -out " + name + ".csr");
        std::ofstream(folder_ / (name + ".ext")) << extension << "\n";
        openssl("x509 -req -days 3 -CA ca.crt -CAkey ca.key -CAcreateserial -in " + name + ".csr -extfile " +
                name + ".ext -out " + name + ".crt");
    }

    std::filesystem::path folder_;
};

class ApiStandIn {
  public:
    explicit ApiStandIn(const Pki& pki, const std::string& certificate = "server",
                        const std::vector<std::string>& more = {}) {
        int in[2];
        int out[2];
        if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
        const std::string script = std::string(FAIRLEAD_SOURCE) + "/tests/lab/api_stand_in.py";
        std::vector<std::string> arguments{"python3",       script,
                                           "--certificate", pki.file(certificate + ".crt"),
                                           "--key",         pki.file(certificate + ".key"),
                                           "--client-ca",   pki.file("ca.crt")};
        arguments.insert(arguments.end(), more.begin(), more.end());
        std::vector<char*> argv;
        for (std::string& argument : arguments)
            argv.push_back(argument.data());
        argv.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
        const int failed = posix_spawnp(&child_, "python3", &actions, nullptr, argv.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        close(in[0]);
        close(out[1]);
        stdin_ = in[1];
        std::string line;
        for (char c = 0; failed == 0 && read(out[0], &c, 1) == 1 && c != '\n';)
            line += c;
        close(out[0]);
        const Json ports = Json::parse(line, nullptr, false);
        if (!ports.is_object()) throw std::runtime_error("the stand-in didn't start: " + script);
        port_ = ports["port"];
        control_ = ports["control"];
    }
    ~ApiStandIn() { stop(); }
    ApiStandIn(const ApiStandIn&) = delete;
    ApiStandIn& operator=(const ApiStandIn&) = delete;

    void stop() {
        if (child_ == 0) return;
        close(stdin_);
        waitpid(child_, nullptr, 0);
        child_ = 0;
    }

    [[nodiscard]] std::uint16_t port() const { return port_; }

    void tell(const Json& command) const {
        const auto answer = control(boost::beast::http::verb::post, command.dump());
        if (answer.result_int() != 200) throw std::runtime_error(command.dump() + ": " + answer.body());
    }
    void put(const std::string& name, const std::string& address) const {
        tell({{"do", "put"}, {"name", name}, {"addresses", {address}}});
    }
    [[nodiscard]] Json state() const {
        return Json::parse(control(boost::beast::http::verb::get, "").body());
    }
    [[nodiscard]] bool watched() const { return state()["watches"] == 1; }
    /// How many requests had `part` in their path and query.
    [[nodiscard]] int requests(const std::string& part) const {
        int count = 0;
        const Json now = state();
        for (const std::string path : now["requests"])
            count += path.find(part) != std::string::npos ? 1 : 0;
        return count;
    }

  private:
    [[nodiscard]] boost::beast::http::response<boost::beast::http::string_body> control(
        boost::beast::http::verb verb, const std::string& body) const {
        namespace http = boost::beast::http;
        boost::asio::io_context context;
        boost::asio::ip::tcp::socket socket(context);
        socket.connect({boost::asio::ip::address_v4::loopback(), control_});
        http::request<http::string_body> request(verb, "/", 10);
        request.body() = body;
        request.prepare_payload();
        http::write(socket, request);
        boost::beast::flat_buffer buffer;
        http::response<http::string_body> response;
        http::read(socket, buffer, response);
        return response;
    }

    pid_t child_ = 0;
    int stdin_ = -1;
    std::uint16_t port_ = 0;
    std::uint16_t control_ = 0;
};

}  // namespace fairlead::kubernetes
