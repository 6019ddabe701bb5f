#include "agent/admin/http_server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace fairlead;
using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

namespace {

/// A blocking client connection.
class Client {
  public:
    explicit Client(const lb::Endpoint& server, bool connectNow = true)
        : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        timeval limit{.tv_sec = 60, .tv_usec = 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (connectNow) connect(server);
    }
    ~Client() { ::close(fd_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void connect(const lb::Endpoint& server) const {
        sockaddr_storage address{};
        const socklen_t size = lb::toSockaddr(server, address);
        if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0)
            throw std::runtime_error("cannot connect");
    }

    [[nodiscard]] bool send(const std::string& text) const {
        return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
    }

    /// Up to the end of the stream.
    [[nodiscard]] std::string readAll() const {
        std::string text;
        char bytes[4096];
        ssize_t got = 0;
        while ((got = ::recv(fd_, bytes, sizeof bytes, 0)) > 0)
            text.append(bytes, static_cast<std::size_t>(got));
        if (got < 0) text += "<error " + std::string(strerror(errno)) + ">";
        return text;
    }

    /// Up to `end`.
    [[nodiscard]] std::string readTo(const std::string& end) const {
        std::string text;
        char byte = 0;
        while (!text.ends_with(end) && ::recv(fd_, &byte, 1, 0) == 1)
            text += byte;
        return text;
    }

  private:
    int fd_;
};

class HttpServer : public testing::Test {
  protected:
    ~HttpServer() override { halt(); }

    void serve(admin::HttpLimits limits = {}) {
        std::map<std::string, admin::Handler> routes{
            {"/healthz", [] { return admin::Response{.body = "ok\n"}; }},
            {"/readyz", [] { return admin::Response{.status = 503, .body = "not yet\n"}; }},
            {"/status", [] { return admin::Response{.contentType = "application/json", .body = "{}\n"}; }},
            {"/big", [] { return admin::Response{.body = std::string(64 * 1024 * 1024, 'x')}; }},
            {"/broken", []() -> admin::Response { throw std::runtime_error("broken"); }},
        };
        options.routes = std::move(routes);
        options.limits = limits;
        server = std::make_unique<admin::HttpServer>(context, *lb::parseEndpoint("127.0.0.1:0"), options);
        thread = std::thread([this] { context.run(); });
    }

    /// Takes the server down on its own thread, as the agent does.
    void halt() {
        if (!thread.joinable()) return;
        boost::asio::post(context, [this] { server.reset(); });
        work.reset();
        thread.join();
    }

    std::string ask(const std::string& request) {
        const Client client(server->endpoint());
        EXPECT_TRUE(client.send(request));
        return client.readAll();
    }

    std::string get(const std::string& path) {
        return ask("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    }

    /// On the server's thread.
    void publish(const std::string& text) {
        boost::asio::post(context, [this, text] { server->publish(text); });
    }

    std::size_t listeners() {
        std::promise<std::size_t> count;
        boost::asio::post(context, [&] { count.set_value(server->listeners()); });
        return count.get_future().get();
    }

    admin::HttpOptions options;
    boost::asio::io_context context;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{context.get_executor()};
    std::unique_ptr<admin::HttpServer> server;
    std::thread thread;
};

TEST_F(HttpServer, AnswersItsPaths) {
    serve();
    const std::string health = get("/healthz");
    EXPECT_THAT(health, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(health, HasSubstr("\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    EXPECT_THAT(health, HasSubstr("\r\nContent-Length: 3\r\n"));
    EXPECT_THAT(health, HasSubstr("\r\nCache-Control: no-store\r\n"));
    EXPECT_THAT(health, EndsWith("\r\n\r\nok\n"));
    EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
    EXPECT_THAT(get("/status"), HasSubstr("\r\nContent-Type: application/json\r\n"));
    EXPECT_THAT(get("/healthz?verbose=1&x"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpServer, AnswersHeadWithoutABody) {
    serve();
    const std::string answer = ask("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nContent-Length: 3\r\n"));
    EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(HttpServer, NamesItsPathsWhereThereIsNone) {
    serve();
    for (const char* path : {"/", "/nothing", "/healthz/", "/../etc/passwd", "*", "http://x/healthz"}) {
        const std::string answer = get(path);
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 404 Not Found\r\n")) << path;
        EXPECT_THAT(answer, HasSubstr("/healthz /readyz /status")) << path;
    }
}

TEST_F(HttpServer, RefusesOtherMethods) {
    serve();
    for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "NONSENSE"}) {
        const std::string answer = ask(std::string(method) + " /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 Method Not Allowed\r\n")) << method;
        EXPECT_THAT(answer, HasSubstr("\r\nAllow: GET, HEAD\r\n")) << method;
    }
    EXPECT_THAT(ask("POST /healthz HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
                StartsWith("HTTP/1.1 405 Method Not Allowed\r\n"));
}

TEST_F(HttpServer, RefusesABody) {
    serve();
    EXPECT_THAT(ask("GET /healthz HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
                StartsWith("HTTP/1.1 413 Payload Too Large\r\n"));
    EXPECT_THAT(ask("GET /healthz HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"),
                StartsWith("HTTP/1.1 413 Payload Too Large\r\n"));
    EXPECT_THAT(ask("GET /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                StartsWith("HTTP/1.1 413 Payload Too Large\r\n"));
}

TEST_F(HttpServer, RefusesGarbage) {
    serve();
    EXPECT_THAT(ask("hello\r\n\r\n"), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
    EXPECT_THAT(ask("GET /healthz HTTP/9.9\r\n\r\n"), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
    EXPECT_THAT(ask("GET /healthz HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
                StartsWith("HTTP/1.1 400 Bad Request\r\n"));
    EXPECT_THAT(ask(std::string(300, '\0')), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
    EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpServer, RefusesAHeaderThatIsTooLarge) {
    serve();
    EXPECT_THAT(ask("GET /healthz HTTP/1.1\r\nX-Filler: " + std::string(20000, 'x') + "\r\n\r\n"),
                StartsWith("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
    EXPECT_THAT(ask("GET /" + std::string(20000, 'x') + " HTTP/1.1\r\n\r\n"),
                StartsWith("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
    EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpServer, KeepsAConnectionForTheNextRequest) {
    serve();
    const Client client(server->endpoint());
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        EXPECT_THAT(client.readTo("ok\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
    }
}

TEST_F(HttpServer, AnswersPipelinedRequestsInTurn) {
    serve();
    const std::string answers =
        ask("GET /healthz HTTP/1.1\r\n\r\nGET /status HTTP/1.1\r\n\r\n"
            "GET /readyz HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_LT(answers.find("ok\n"), answers.find("{}\n"));
    EXPECT_LT(answers.find("{}\n"), answers.find("not yet\n"));
    EXPECT_THAT(answers, EndsWith("not yet\n"));
}

TEST_F(HttpServer, ClosesAfterAnOldStyleRequest) {
    serve();
    EXPECT_THAT(ask("GET /healthz HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.0 200 OK\r\n"));
}

TEST_F(HttpServer, AHandlerThatThrowsIsAnsweredWith500) {
    serve();
    EXPECT_THAT(get("/broken"), StartsWith("HTTP/1.1 500 Internal Server Error\r\n"));
    EXPECT_THAT(get("/broken"), Not(HasSubstr("broken"))) << "the cause stands in the log";
    EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpServer, CutsASlowRequestHoweverBusyItLooks) {
    serve({.request = 200ms, .idle = 60s});
    const Client client(server->endpoint());
    ASSERT_TRUE(client.send("GET /healthz HTTP/1.1\r\n"));
    std::atomic<bool> over = false;
    std::thread trickle([&] {
        while (!over && client.send("X"))
            std::this_thread::sleep_for(5ms);
    });
    const std::string answer = client.readAll();
    over = true;
    trickle.join();
    EXPECT_THAT(answer, Not(HasSubstr("200 OK")));
}

TEST_F(HttpServer, CutsAnIdleConnection) {
    serve({.request = 60s, .idle = 100ms});
    const Client silent(server->endpoint());
    EXPECT_EQ(silent.readAll(), "");
    const Client answered(server->endpoint());
    ASSERT_TRUE(answered.send("GET /healthz HTTP/1.1\r\n\r\n"));
    EXPECT_THAT(answered.readAll(), EndsWith("ok\n"));
}

TEST_F(HttpServer, CutsAClientThatDoesNotTakeItsAnswer) {
    serve({.request = 200ms, .idle = 60s, .connections = 1});
    const Client lazy(server->endpoint());
    ASSERT_TRUE(lazy.send("GET /big HTTP/1.1\r\n\r\n"));
    // The only place is free again once the lazy one was cut.
    std::string answer;
    while (answer.empty()) {
        const Client next(server->endpoint());
        if (next.send("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")) answer = next.readAll();
        if (!answer.starts_with("HTTP")) answer.clear();
    }
    EXPECT_THAT(answer, EndsWith("ok\n"));
}

TEST_F(HttpServer, ClosesConnectionsBeyondItsLimit) {
    serve({.connections = 4});
    std::vector<std::unique_ptr<Client>> held;
    for (int i = 0; i < 4; ++i) {
        held.push_back(std::make_unique<Client>(server->endpoint()));
        ASSERT_TRUE(held.back()->send("GET /healthz HTTP/1.1\r\n\r\n"));
        EXPECT_THAT(held.back()->readTo("ok\n"), EndsWith("ok\n"));
    }
    const Client tooMany(server->endpoint());
    EXPECT_EQ(tooMany.readAll(), "");
    for (const auto& client : held) {
        ASSERT_TRUE(client->send("GET /healthz HTTP/1.1\r\n\r\n"));
        EXPECT_THAT(client->readTo("ok\n"), EndsWith("ok\n")) << "those that were there go on";
    }
}

TEST_F(HttpServer, ServesManyOneAfterTheOther) {
    serve({.connections = 2});
    int answered = 0;
    for (int i = 0; i < 300; ++i) {
        const Client client(server->endpoint());
        if (!client.send("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")) continue;
        if (client.readAll().ends_with("ok\n")) ++answered;
    }
    EXPECT_GT(answered, 250) << "places are given back";
}

TEST_F(HttpServer, SurvivesARunOutOfDescriptors) {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "UBSan's check of virtual calls needs a descriptor of its own";
#endif
    serve();
    EXPECT_THAT(get("/healthz"), EndsWith("ok\n"));
    const Client waiting(server->endpoint(), false);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int next = ::dup(0);
    ::close(next);
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(next);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    waiting.connect(server->endpoint());
    EXPECT_TRUE(waiting.send("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"));
    std::promise<void> turned;  // the server has seen it and gone on
    boost::asio::post(context, [&] { turned.set_value(); });
    turned.get_future().wait();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_THAT(waiting.readAll(), EndsWith("ok\n"));
}

TEST_F(HttpServer, SaysWhichPortIsInUse) {
    serve();
    const lb::Endpoint taken = server->endpoint();
    boost::asio::io_context other;
    try {
        const admin::HttpServer second(other, taken, {});
        FAIL() << "bound twice";
    } catch (const std::system_error& error) {
        EXPECT_EQ(std::string(error.what()),
                  "cannot listen on " + lb::toString(taken) + " (admin.bind): Address already in use");
    }
    try {
        const admin::HttpServer second(other, *lb::parseEndpoint("192.0.2.1:1"), {});
        FAIL() << "bound to a foreign address";
    } catch (const std::system_error& error) {
        EXPECT_THAT(error.what(), HasSubstr("192.0.2.1:1 (admin.bind): Cannot assign requested address"));
    }
}

TEST_F(HttpServer, StopEndsEveryConnection) {
    serve();
    const lb::Endpoint endpoint = server->endpoint();
    const Client held(endpoint);
    ASSERT_TRUE(held.send("GET /healthz HTTP/1.1\r\n\r\n"));
    EXPECT_THAT(held.readTo("ok\n"), EndsWith("ok\n"));
    halt();  // ends by itself: nothing is left to do
    EXPECT_EQ(held.readAll(), "");
    EXPECT_THROW(Client{endpoint}, std::runtime_error);
}

TEST_F(HttpServer, SocketsAreNotInherited) {
    serve();
    const Client held(server->endpoint());
    ASSERT_TRUE(held.send("GET /healthz HTTP/1.1\r\n\r\n"));
    EXPECT_THAT(held.readTo("ok\n"), EndsWith("ok\n"));
    int found = 0;
    for (int fd = 3; fd < 256; ++fd) {
        sockaddr_storage own{};
        socklen_t size = sizeof own;
        if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) continue;
        if (lb::fromSockaddr(own) != server->endpoint()) continue;
        ++found;
        EXPECT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
    EXPECT_EQ(found, 2) << "the listener and the connection";
}

/// A file that goes with the test.
class File {
  public:
    explicit File(const std::string& text) {
        const int fd = ::mkstemp(name_.data());
        EXPECT_GE(fd, 0);
        EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
        ::close(fd);
    }
    ~File() { ::unlink(name_.c_str()); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    [[nodiscard]] const std::string& name() const { return name_; }

  private:
    std::string name_ = "/tmp/fairlead-test-XXXXXX";
};

constexpr const char* kListen = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";

TEST_F(HttpServer, SendsEventsToWhoeverListens) {
    options.eventsPath = "/events";
    options.greeting = [] { return admin::event("hello", "{\n}"); };
    serve();
    const Client first(server->endpoint());
    const Client second(server->endpoint());
    for (const Client* client : {&first, &second}) {
        ASSERT_TRUE(client->send(kListen));
        const std::string beginning = client->readTo("\n\n");
        EXPECT_THAT(beginning, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"));
        EXPECT_THAT(beginning, EndsWith("\r\n\r\nevent: hello\ndata: {\ndata: }\n\n"));
    }
    EXPECT_EQ(listeners(), 2U);
    publish(admin::event("news", "1"));
    EXPECT_EQ(first.readTo("\n\n"), "event: news\ndata: 1\n\n");
    EXPECT_EQ(second.readTo("\n\n"), "event: news\ndata: 1\n\n");
    EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpServer, ForgetsAListenerThatIsGone) {
    options.eventsPath = "/events";
    options.greeting = [] { return admin::event("hello", ""); };
    serve();
    {
        const Client client(server->endpoint());
        ASSERT_TRUE(client.send(kListen));
        EXPECT_THAT(client.readTo("hello\n\n"), EndsWith("hello\n\n"));
        EXPECT_EQ(listeners(), 1U);
    }
    while (listeners() != 0) {
    }
}

TEST_F(HttpServer, LetsOnlySoManyListen) {
    options.eventsPath = "/events";
    options.greeting = [] { return admin::event("hello", ""); };
    serve({.listeners = 2});
    std::vector<std::unique_ptr<Client>> held;
    for (int i = 0; i < 2; ++i) {
        held.push_back(std::make_unique<Client>(server->endpoint()));
        ASSERT_TRUE(held.back()->send(kListen));
        EXPECT_THAT(held.back()->readTo("hello\n\n"), EndsWith("hello\n\n"));
    }
    EXPECT_THAT(get("/events"), StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
    held.pop_back();
    while (listeners() != 1) {
    }
    const Client next(server->endpoint());
    ASSERT_TRUE(next.send(kListen));
    EXPECT_THAT(next.readTo("hello\n\n"), EndsWith("hello\n\n"));
}

TEST_F(HttpServer, DropsAListenerThatDoesNotTakeItsEvents) {
    options.eventsPath = "/events";
    options.greeting = [] { return admin::event("hello", ""); };
    serve({.unsent = 4});
    const Client lazy(server->endpoint());
    const Client quick(server->endpoint());
    for (const Client* client : {&lazy, &quick}) {
        ASSERT_TRUE(client->send(kListen));
        EXPECT_THAT(client->readTo("hello\n\n"), EndsWith("hello\n\n"));
    }
    const std::string large = admin::event("news", std::string(100'000, 'x'));
    // The kernel takes some of it; then the server holds no more than it may.
    for (int i = 0; i < 1000 && listeners() == 2; ++i) {
        publish(large);
        EXPECT_EQ(quick.readTo("\n\n").size(), large.size());
    }
    EXPECT_EQ(listeners(), 1U);
    publish(admin::event("news", "1"));
    EXPECT_EQ(quick.readTo("\n\n"), "event: news\ndata: 1\n\n");
}

TEST_F(HttpServer, AsksForTheTokenButOnThePathsThatAreOpen) {
    const File token("  0123456789abcdef0123  \nsecond line\n");
    options.security.tokenFile = token.name();
    options.open = {"/healthz"};
    options.eventsPath = "/events";
    options.greeting = [] { return admin::event("hello", ""); };
    serve();
    EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
    for (const char* path : {"/status", "/readyz", "/events", "/nothing"}) {
        const std::string answer = get(path);
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 401 Unauthorized\r\n")) << path;
        EXPECT_THAT(answer, HasSubstr("\r\nWWW-Authenticate: Basic realm=\"fairlead\"")) << path;
    }
    const auto with = [&](const std::string& authorization) {
        return ask("GET /status HTTP/1.1\r\nAuthorization: " + authorization +
                   "\r\nConnection: close\r\n\r\n");
    };
    EXPECT_THAT(with("Bearer 0123456789abcdef0123"), StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(with("basic YW5ib2R5OjAxMjM0NTY3ODlhYmNkZWYwMTIz"), StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(with("Bearer 0123456789abcdef0124"), StartsWith("HTTP/1.1 401 Unauthorized\r\n"));
    EXPECT_THAT(with("Bearer second line"), StartsWith("HTTP/1.1 401 Unauthorized\r\n"));
}

TEST_F(HttpServer, RefusesToStartWithATokenThatAnybodyGuesses) {
    const File token("admin\n");
    options.security.tokenFile = token.name();
    try {
        serve();
        FAIL() << "it started";
    } catch (const std::runtime_error& error) {
        EXPECT_THAT(error.what(), HasSubstr("admin.tokenFile: " + token.name() + ": its first line must be"));
    }
}

TEST_F(HttpServer, IsNotReadThroughABrowserByAPageFromElsewhere) {
    serve();
    const auto from = [&](const std::string& host) {
        return ask("GET /status HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
    };
    EXPECT_THAT(from("rebound.example:16444"), StartsWith("HTTP/1.1 421 Misdirected Request\r\n"));
    for (const char* host : {"127.0.0.1:16444", "localhost", "localhost:16444", "[::1]:16444", "10.10.1.83"})
        EXPECT_THAT(from(host), StartsWith("HTTP/1.1 200 OK\r\n")) << host;
}

}  // namespace
