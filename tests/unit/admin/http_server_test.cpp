// What every client gets of the admin server, and what it may cost; http_events_test.cpp and
// http_access_test.cpp have the events and who may ask.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/unit/admin/http_fixture.h"

using namespace fairlead;
using namespace std::chrono_literals;
using test::Client;
using test::HttpServer;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

namespace {

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

}  // namespace
