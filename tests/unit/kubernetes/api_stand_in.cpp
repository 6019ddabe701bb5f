#include "tests/unit/kubernetes/api_stand_in.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace fairlead::kubernetes {
namespace {

namespace http = boost::beast::http;

/// One request to the stand-in's control port.
http::response<http::string_body> control(std::uint16_t port, http::verb verb, const std::string& body) {
    boost::asio::io_context context;
    boost::asio::ip::tcp::socket socket(context);
    socket.connect({boost::asio::ip::address_v4::loopback(), port});
    http::request<http::string_body> request(verb, "/", 10);
    request.body() = body;
    request.prepare_payload();
    http::write(socket, request);
    boost::beast::flat_buffer buffer;
    http::response<http::string_body> response;
    http::read(socket, buffer, response);
    return response;
}

}  // namespace

Pki::Pki() {
    std::string name = (std::filesystem::temp_directory_path() / "fairlead-kubernetes-test-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("mkdtemp " + name);
    folder_ = name;
    authority("ca");
    authority("foreign");
    sign("server", "/CN=kube-apiserver", "subjectAltName=DNS:kubernetes,IP:127.0.0.1,IP:::1");
    sign("misnamed", "/CN=kubernetes", "subjectAltName=DNS:another");
    sign("client", "/O=kubeadm:cluster-admins/CN=kubernetes-admin", "extendedKeyUsage=clientAuth");
}

Pki::~Pki() {
    std::filesystem::remove_all(folder_);
}

std::string Pki::kubeconfig(const std::string& name, const std::string& user,
                            const std::string& cluster) const {
    const std::string fresh = file(name + ".new");
    std::ofstream(fresh) << "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                         << "clusters: [{name: k, cluster: {server: 'https://unused:6443', " << cluster
                         << "}}]\nusers: [{name: u, user: {" << user << "}}]\n";
    std::filesystem::rename(fresh, file(name));
    return file(name);
}

std::string Pki::clientKubeconfig(const std::string& name) const {
    return kubeconfig(name, "client-certificate: client.crt, client-key: client.key");
}

void Pki::renewClient(const std::string& name) const {
    sign("fresh", "/O=kubeadm:cluster-admins/CN=kubernetes-admin", "extendedKeyUsage=clientAuth");
    for (const char* end : {".key", ".crt"})
        std::filesystem::rename(file(std::string("fresh") + end), file(name + end));
}

void Pki::openssl(const std::string& arguments) const {
    const std::string command =
        "cd '" + folder_.string() + "' && openssl " + arguments + " >>openssl.log 2>&1";
    // The folder is ours, and so is every argument.
    if (std::system(command.c_str()) != 0)  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
        throw std::runtime_error(command);
}

void Pki::authority(const std::string& name) const {
    openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj /CN=" + name +
            " -keyout " + name + ".key -out " + name + ".crt");
}

void Pki::sign(const std::string& name, const std::string& subject, const std::string& extension) const {
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '" + subject + "' -keyout " + name +
            ".key -out " + name + ".csr");
    std::ofstream(folder_ / (name + ".ext")) << extension << "\n";
    openssl("x509 -req -days 3 -CA ca.crt -CAkey ca.key -CAcreateserial -in " + name + ".csr -extfile " +
            name + ".ext -out " + name + ".crt");
}

ApiStandIn::ApiStandIn(const Pki& pki, const std::string& certificate, const std::vector<std::string>& more) {
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

void ApiStandIn::stop() {
    if (child_ == 0) return;
    close(stdin_);
    waitpid(child_, nullptr, 0);
    child_ = 0;
}

void ApiStandIn::tell(const Json& command) const {
    const auto answer = control(control_, http::verb::post, command.dump());
    if (answer.result_int() != 200) throw std::runtime_error(command.dump() + ": " + answer.body());
}

void ApiStandIn::put(const std::string& name, const std::string& address) const {
    tell({{"do", "put"}, {"name", name}, {"addresses", {address}}});
}

Json ApiStandIn::state() const {
    return Json::parse(control(control_, http::verb::get, "").body());
}

int ApiStandIn::requests(const std::string& part) const {
    int count = 0;
    const Json now = state();
    for (const std::string path : now["requests"])
        count += path.find(part) != std::string::npos ? 1 : 0;
    return count;
}

}  // namespace fairlead::kubernetes
