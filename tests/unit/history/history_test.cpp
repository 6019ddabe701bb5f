#include "agent/history/history.h"

#include <gtest/gtest.h>

namespace fairlead::history {
namespace {

constexpr std::int64_t kWhen = 1'795'530'478'123'456;

Entry entry(std::string message) {
    return {.when = kWhen,
            .level = logging::Level::Warning,
            .component = "vrrp",
            .message = std::move(message),
            .fields = {{"vrid", 51}, {"cause", "no advertisement for 3.6 s"}}};
}

TEST(History, TellsEachEventAsTheLogDidWithItsWholeDate) {
    History history;
    history.add(entry("became MASTER"));
    EXPECT_EQ(toText(history),
              "2026-11-24T14:27:58.123Z  vrrp: became MASTER vrid=51 cause=\"no advertisement for 3.6 s\"\n");
}

TEST(History, ComesBackAsItWasSaved) {
    History history;
    history.add(entry("became MASTER"));
    history.add(entry("quoted \" and\nbroken"));
    const auto back = fromJson(toJson(history));
    ASSERT_TRUE(back.has_value()) << back.error();
    EXPECT_EQ(toJson(*back), toJson(history));
    EXPECT_EQ(back->entries().back().level, logging::Level::Warning);
    EXPECT_TRUE(fromJson(toJson({}))->entries().empty());
}

TEST(History, ForgetsTheOldestAndCutsWhatIsTooLong) {
    History history;
    for (std::size_t i = 0; i < History::kMostEntries + 5; ++i)
        history.add(entry(std::to_string(i)));
    EXPECT_EQ(history.entries().size(), History::kMostEntries);
    EXPECT_EQ(history.entries().front().message, "5");
    history.add(entry(std::string(100'000, 'x')));
    EXPECT_LE(history.entries().back().message.size(), History::kMostBytes);
    EXPECT_LT(toJson(history).size(), History::kMostEntries * (History::kMostBytes + 300));
}

TEST(History, SurvivesBytesThatAreNoText) {
    History history;
    history.add(entry("\xff\xfe"));
    EXPECT_TRUE(fromJson(toJson(history)).has_value());
}

TEST(History, RefusesWhatItDidNotMake) {
    for (const char* text : {"", "{}", "[1]", "[{}]", "[{\"microseconds\": \"x\"}]", "[[", "\xff"})
        EXPECT_FALSE(fromJson(text).has_value()) << text;
    // What is merely unknown or missing is no reason to lose the rest.
    const auto sparse = fromJson(R"([{"microseconds": 1, "level": "loud", "fields": {"a": 1, "b": "c"}}])");
    ASSERT_TRUE(sparse.has_value());
    EXPECT_EQ(sparse->entries().front().fields.size(), 1U);
}

}  // namespace
}  // namespace fairlead::history
