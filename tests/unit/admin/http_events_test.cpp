// Those who listen to events, whatever they do.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/admin/http_fixture.h"

using namespace fairlead;
using namespace std::chrono_literals;
using test::Client;
using test::HttpServer;
using testing::EndsWith;
using testing::StartsWith;

namespace {

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

}  // namespace
