#include "agent/cli/cli.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <fstream>
#include <sstream>

namespace fairlead::cli {
namespace {

struct Outcome {
    int code = -1;
    std::string out;
    std::string err;
};

Outcome call(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "fairlead");
    std::vector<const char*> pointers;
    for (const std::string& argument : arguments)
        pointers.push_back(argument.c_str());
    std::ostringstream out;
    std::ostringstream err;
    const int code = main(static_cast<int>(pointers.size()), pointers.data(), out, err);
    return {.code = code, .out = out.str(), .err = err.str()};
}

TEST(CommandLine, HelpShowsExamplesAndEndsWell) {
    for (const std::vector<std::string>& command : {std::vector<std::string>{},
                                                    {"run"},
                                                    {"validate"},
                                                    {"version"},
                                                    {"status"},
                                                    {"explain"},
                                                    {"handover"},
                                                    {"drain"},
                                                    {"undrain"},
                                                    {"cleanup"},
                                                    {"import"},
                                                    {"preflight"},
                                                    {"manifest"},
                                                    {"manifest", "pod"}}) {
        std::vector<std::string> arguments = command;
        arguments.emplace_back("--help");
        const Outcome outcome = call(arguments);
        EXPECT_EQ(outcome.code, kDone);
        EXPECT_NE(outcome.out.find("Examples:"), std::string::npos) << outcome.out;
    }
}

TEST(CommandLine, WrongUsageEndsWithTwo) {
    for (const std::vector<std::string>& command : {std::vector<std::string>{},
                                                    {"stats"},
                                                    {"status", "-o", "xml"},
                                                    {"run", "--no-such-flag"},
                                                    {"manifest"},
                                                    {"version", "-o", "xml"}}) {
        const Outcome outcome = call(command);
        EXPECT_EQ(outcome.code, kUsage) << outcome.out;
        EXPECT_FALSE(outcome.err.empty());
    }
}

TEST(CommandLine, ValidateNamesFileAndLine) {
    const std::string file = testing::TempDir() + "/fairlead-cli-test-" + std::to_string(getpid()) + ".yaml";
    std::ofstream(file)
        << "apiVersion: fairlead.dev/v1alpha1\nkind: FairleadConfiguration\nvip: {adresses: [10.0.0.1]}\n";
    const Outcome bad = call({"validate", "--config", file});
    EXPECT_EQ(bad.code, kWrong);
    EXPECT_TRUE(bad.err.starts_with(file + ":3: vip.adresses: unknown key")) << bad.err;
    std::ofstream(file)
        << "apiVersion: fairlead.dev/v1alpha1\nkind: FairleadConfiguration\nvip: {addresses: [10.0.0.1]}\n";
    const Outcome good = call({"validate", "--config", file});
    EXPECT_EQ(good.code, kDone) << good.err;
    std::remove(file.c_str());
    const Outcome missing = call({"validate", "--config", file});
    EXPECT_EQ(missing.code, kWrong);
    EXPECT_NE(missing.err.find("No such file or directory"), std::string::npos) << missing.err;
}

TEST(CommandLine, VersionSpeaksTextAndJson) {
    EXPECT_TRUE(call({"version"}).out.starts_with("fairlead "));
    EXPECT_EQ(YAML::Load(call({"version", "-o", "json"}).out)["version"].as<std::string>().find('.'), 1U);
}

TEST(Manifest, ThePodHasWhatItNeedsAndNoMore) {
    const Outcome outcome = call({"manifest", "pod", "--vip", "10.10.1.108", "--priority", "120"});
    ASSERT_EQ(outcome.code, kDone) << outcome.err;
    const YAML::Node spec = YAML::Load(outcome.out)["spec"];
    EXPECT_TRUE(spec["hostNetwork"].as<bool>());
    EXPECT_EQ(spec["priorityClassName"].as<std::string>(), "system-node-critical");
    const YAML::Node container = spec["containers"][0];
    EXPECT_EQ(container["args"].as<std::vector<std::string>>(),
              (std::vector<std::string>{"run", "--vip=10.10.1.108", "--priority=120"}));
    const YAML::Node security = container["securityContext"];
    EXPECT_TRUE(security["readOnlyRootFilesystem"].as<bool>());
    EXPECT_FALSE(security["allowPrivilegeEscalation"].as<bool>());
    EXPECT_FALSE(security["privileged"]);
    EXPECT_EQ(security["capabilities"]["drop"].as<std::vector<std::string>>(),
              std::vector<std::string>{"ALL"});
    EXPECT_FALSE(container["resources"]["limits"]["cpu"]) << "a throttled election loses the VIP";
    EXPECT_EQ(call({"manifest", "pod"}).code, kWrong) << "without a VIP the agent would refuse to start";
}

TEST(Manifest, AWorkersPodBalancesAloneAndNeedsNoCapability) {
    const Outcome outcome = call({"manifest", "pod", "--worker", "--backend", "10.10.1.83:6443"});
    ASSERT_EQ(outcome.code, kDone) << outcome.err;
    const YAML::Node container = YAML::Load(outcome.out)["spec"]["containers"][0];
    EXPECT_EQ(container["args"].as<std::vector<std::string>>(),
              (std::vector<std::string>{"run", "--backend=10.10.1.83:6443", "--bind=127.0.0.1:16443"}));
    EXPECT_FALSE(container["securityContext"]["capabilities"]["add"]);
    EXPECT_TRUE(container["securityContext"]["readOnlyRootFilesystem"].as<bool>());

    EXPECT_NE(call({"manifest", "pod", "--worker"}).err.find("name those that exist"), std::string::npos);
    EXPECT_NE(call({"manifest", "pod", "--worker", "--vip", "10.10.1.108"}).err.find("holds no VIP"),
              std::string::npos);
    EXPECT_NE(call({"manifest", "pod", "--bind", "127.0.0.1:16443"}).err.find("--worker"), std::string::npos);
}

TEST(Manifest, ThePodOfAnUpgradeInPlaceHasANameOfItsOwnAndTakesOver) {
    const YAML::Node pod = YAML::Load(
        call({"manifest", "pod", "--vip", "10.10.1.108", "--name", "fairlead-next", "--takeover"}).out);
    EXPECT_EQ(pod["metadata"]["name"].as<std::string>(), "fairlead-next");
    EXPECT_EQ(pod["spec"]["containers"][0]["args"].as<std::vector<std::string>>(),
              (std::vector<std::string>{"run", "--takeover", "--vip=10.10.1.108"}));
    for (const char* wrong : {"", "Fairlead", "a b", "-a", "a-", "a\nspec: {}"}) {
        const Outcome outcome = call({"manifest", "pod", "--vip", "10.10.1.108", "--name", wrong});
        EXPECT_EQ(outcome.code, kWrong) << wrong;
        EXPECT_NE(outcome.err.find("flag --name: "), std::string::npos) << wrong;
    }
}

TEST(Manifest, RbacAllowsReadingNodesAndWritingEvents) {
    const std::vector<YAML::Node> documents = YAML::LoadAll(call({"manifest", "rbac"}).out);
    ASSERT_EQ(documents.size(), 2U);
    const YAML::Node rules = documents[0]["rules"];
    ASSERT_EQ(rules.size(), 2U);
    EXPECT_EQ(rules[1]["resources"].as<std::vector<std::string>>(), std::vector<std::string>{"events"});
    EXPECT_EQ(rules[1]["verbs"].as<std::vector<std::string>>(), std::vector<std::string>{"create"});
    EXPECT_EQ(YAML::LoadAll(call({"manifest", "rbac", "--no-events"}).out)[0]["rules"].size(), 1U);
    EXPECT_EQ(rules[0]["resources"].as<std::vector<std::string>>(), std::vector<std::string>{"nodes"});
    EXPECT_EQ(rules[0]["verbs"].as<std::vector<std::string>>(),
              (std::vector<std::string>{"get", "list", "watch"}));
}

TEST(Manifest, RbacForSlicesGrantsNothingOutsideTheirNamespace) {
    const std::string text = call({"manifest", "rbac", "--source", "endpointslices"}).out;
    EXPECT_EQ(text.find("Cluster"), std::string::npos) << text;
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    ASSERT_EQ(documents.size(), 2U);
    EXPECT_EQ(documents[0]["kind"].as<std::string>(), "Role");
    EXPECT_EQ(documents[1]["kind"].as<std::string>(), "RoleBinding");
    EXPECT_EQ(documents[1]["roleRef"]["kind"].as<std::string>(), "Role");
    for (const YAML::Node& document : documents)
        EXPECT_EQ(document["metadata"]["namespace"].as<std::string>(), "default");
    const YAML::Node rules = documents[0]["rules"];
    ASSERT_EQ(rules.size(), 2U);
    EXPECT_EQ(rules[0]["apiGroups"].as<std::vector<std::string>>(),
              std::vector<std::string>{"discovery.k8s.io"});
    EXPECT_EQ(rules[0]["resources"].as<std::vector<std::string>>(),
              std::vector<std::string>{"endpointslices"});
    EXPECT_EQ(rules[1]["resources"].as<std::vector<std::string>>(), std::vector<std::string>{"events"});
    EXPECT_EQ(
        YAML::LoadAll(call({"manifest", "rbac", "--source", "endpointslices", "--no-events"}).out)[0]["rules"]
            .size(),
        1U);
    EXPECT_EQ(call({"manifest", "rbac", "--source", "pods"}).code, kUsage);
}

TEST(Manifest, TheCheckedInCopiesAreCurrent) {
    const std::pair<const char*, std::vector<std::string>> copies[] = {
        {"fairlead-pod.yaml", {"manifest", "pod", "--vip", "10.10.1.108"}},
        {"fairlead-worker-pod.yaml",
         {"manifest", "pod", "--worker", "--backend", "10.10.1.83:6443", "--backend", "10.10.1.84:6443"}},
        {"rbac.yaml", {"manifest", "rbac"}},
        {"rbac-endpointslices.yaml", {"manifest", "rbac", "--source", "endpointslices"}},
        {"config.yaml", {"manifest", "config", "--vip", "10.10.1.108"}},
    };
    for (const auto& [name, command] : copies) {
        const std::string path = std::string(FAIRLEAD_SOURCE) + "/manifests/" + name;
        const std::string wanted = call(command).out;
        if (getenv("FAIRLEAD_UPDATE")) std::ofstream(path) << wanted;
        std::ifstream file(path);
        std::ostringstream text;
        text << file.rdbuf();
        EXPECT_EQ(text.str(), wanted)
            << name << ": FAIRLEAD_UPDATE=1 build/release/tests/cli_test writes it anew";
    }
}

}  // namespace
}  // namespace fairlead::cli
