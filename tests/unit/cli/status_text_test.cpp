#include "agent/cli/status_text.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <sstream>

#include "agent/cli/table.h"

namespace fairlead::cli {
namespace {

using Json = nlohmann::json;

/// The example of docs/status.md, which another test keeps complete.
Json example() {
    std::ifstream file(std::string(FAIRLEAD_SOURCE) + "/docs/status.md");
    std::ostringstream text;
    text << file.rdbuf();
    const std::string all = text.str();
    const std::size_t begin = all.find("```json\n") + 8;
    Json status = Json::parse(all.substr(begin, all.find("\n```", begin) - begin));
    status["routers"] = Json::array({status["router"]});
    return status;
}

TEST(StatusText, ShowsHolderCausePeersBackendsAndChecksWithin80Columns) {
    const std::string text = statusText(example(), nullptr, {});
    for (const char* part : {"master1: fairlead 0.1.0, up 60m",
                             "10.10.1.108  51    MASTER  12s    111 = 100 + 11 (lb)  1.0s      eth0",
                             "because: no advertisement for 3.61 s", "rejected: authentication 3",
                             "10.10.1.84  ipv4    101       1.0s", "02:00:5e:10:00:01 claimed 10.10.1.108",
                             "10.10.1.84:6443: connect: Connection refused", "backends from kubernetes",
                             "10.10.1.108:16443 answers, since 11s; 1 outage, 0.75s in all",
                             "10.10.1.108:16443  0.75s   11s ago  Connection refused",
                             "identity: /etc/kubernetes/fairlead.conf"}) {
        EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
    }
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        EXPECT_LE(line.size(), 80U) << line;
    EXPECT_EQ(text.find('\033'), std::string::npos);
}

TEST(StatusText, SaysForHowLongTheVipHasNotAnswered) {
    Json status = example();
    status["vipProbes"][0]["answers"] = false;
    EXPECT_NE(statusText(status, nullptr, {})
                  .find("10.10.1.108:16443 does not answer, for 0.50s: no answer within 250ms"),
              std::string::npos);
    status["vipProbes"][0]["answers"] = nullptr;
    EXPECT_NE(statusText(status, nullptr, {}).find("has not answered yet"), std::string::npos);
}

TEST(StatusText, ColoursWhatNeedsAHand) {
    Json status = example();
    status["warnings"] = Json::array({"do something"});
    EXPECT_NE(statusText(status, nullptr, {.colour = true}).find("\033[33m! do something\033[0m\n"),
              std::string::npos);
}

TEST(StatusText, GivesRatesFromTwoDocuments) {
    const Json before = example();
    Json now = before;
    now["uptimeSeconds"] = before["uptimeSeconds"].get<double>() + 2;
    now["backends"][0]["connectionsTotal"] = before["backends"][0]["connectionsTotal"].get<int>() + 24;
    const std::string text = statusText(now, &before, {});
    EXPECT_NE(text.find("NEW/S"), std::string::npos);
    EXPECT_NE(text.find("39     12"), std::string::npos) << text;
}

TEST(StatusText, ShowsWhatItDoesNotKnowAsADash) {
    for (const char* text : {"{}", R"({"routers": [{}], "backends": [{}], "checks": [{}], "kubernetes": {}})",
                             R"({"routers": 1, "backends": "x", "warnings": {"a": 1}, "kubernetes": []})"}) {
        EXPECT_NE(statusText(Json::parse(text), nullptr, {}).find("-: fairlead -, up -"), std::string::npos);
    }
}

TEST(StatusText, NoTextFromTheNetworkReachesTheTerminalAsAControlSequence) {
    Json status = example();
    status["router"]["cause"] = "\033[2J";
    status["routers"][0]["cause"] = "\033[2Jgone";
    const std::string text = statusText(status, nullptr, {});
    EXPECT_EQ(text.find('\033'), std::string::npos);
    EXPECT_NE(text.find("?[2Jgone"), std::string::npos);
}

TEST(Table, AlignsColumnsAndTellsAges) {
    EXPECT_EQ(columns({{"NAME", "AGE"}, {"longer", "12s"}, {"a"}}), "NAME    AGE\nlonger  12s\na\n");
    EXPECT_EQ(ageText(-1), "-");
    EXPECT_EQ(ageText(0.25), "0.2s");
    EXPECT_EQ(ageText(75), "75s");
    EXPECT_EQ(ageText(200), "3m20s");
    EXPECT_EQ(ageText(3600), "60m");
    EXPECT_EQ(ageText(5 * 3600 + 120), "5h2m");
    EXPECT_EQ(ageText(12.2 * 86400), "12d4h");
}

}  // namespace
}  // namespace fairlead::cli
