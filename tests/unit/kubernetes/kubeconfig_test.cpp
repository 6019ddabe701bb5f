#include "agent/kubernetes/kubeconfig.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/kubernetes/backend_cache.h"

namespace fairlead::kubernetes {
namespace {

std::string kubeconfig(const std::string& cluster, const std::string& user) {
    return "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: other\n  context: {cluster: "
           "x, user: y}\n- name: c\n"
           "  context: {cluster: k, user: u}\nclusters:\n- name: k\n  cluster: " +
           cluster + "\nusers:\n- name: u\n  user: " + user + "\n";
}

class Folder : public testing::Test {
  protected:
    Folder() { std::filesystem::create_directories(path_); }
    ~Folder() override { std::filesystem::remove_all(path_); }
    std::string write(const std::string& name, const std::string& text) {
        std::ofstream(path_ / name) << text;
        return (path_ / name).string();
    }
    std::filesystem::path path_ =
        std::filesystem::temp_directory_path() / ("fairlead-test-" + std::to_string(getpid()));
};

TEST(Kubeconfig, ReadsTheCurrentContext) {
    const auto config = parseKubeconfig(
        kubeconfig("{server: 'https://vip:6443', certificate-authority-data: Q0E=, tls-server-name: n}",
                   "{client-certificate-data: Q0VSVA==, client-key-data: S0VZ}"),
        "admin.conf");
    ASSERT_TRUE(config) << config.error();
    EXPECT_EQ(config->user, "u");
    EXPECT_EQ(config->server, "https://vip:6443");
    EXPECT_EQ(config->tlsServerName, "n");
    EXPECT_EQ(config->caPem, "CA");
    EXPECT_EQ(config->clientCertificatePem, "CERT");
    EXPECT_EQ(config->clientKeyPem, "KEY");
}

TEST(Kubeconfig, SaysWhereAndWhyItCannotUseOne) {
    const std::string ca = "{certificate-authority-data: Q0E=}";
    const std::pair<std::string, std::string> cases[] = {
        {"", "admin.conf: is no kubeconfig"},
        {"[1, 2", "admin.conf:1: "},
        {"a: &x 1\nb: *x\n", "admin.conf:2: aliases are not supported"},
        {"current-context: ''", "current-context is missing or empty"},
        {"current-context: z\ncontexts: []", "there is no context 'z' in contexts"},
        {kubeconfig("{certificate-authority-data: Q0E=, insecure-skip-tls-verify: true}", "{token: t}"),
         "admin.conf:11: insecure-skip-tls-verify is refused"},
        {kubeconfig(ca, "{exec: {command: aws}}"), "exec credential plugins are not supported"},
        {kubeconfig(ca, "{auth-provider: {name: gcp}}"),
         "auth-provider credential plugins are not supported"},
        {kubeconfig(ca, "{username: a, password: hunter2}"), "basic authentication"},
        {kubeconfig(ca, "{client-certificate-data: Q0E=}"), "only one of client certificate and client key"},
        {kubeconfig(ca, "{}"), "no client certificate, token or tokenFile"},
        {kubeconfig("{server: x}", "{token: t}"), "no certificate-authority"},
        {kubeconfig("{certificate-authority-data: '***'}", "{token: t}"),
         "certificate-authority-data is not base64"},
        {kubeconfig("{certificate-authority-data: [1]}", "{token: t}"), "must be one value"},
        {std::string(100, '['), "nested too deeply"},
    };
    for (const auto& [text, expected] : cases) {
        const auto config = parseKubeconfig(text, "admin.conf");
        ASSERT_FALSE(config) << text;
        EXPECT_NE(config.error().find(expected), std::string::npos)
            << "got: " << config.error() << "\nfor: " << text;
        EXPECT_EQ(config.error().find("hunter2"), std::string::npos) << "a secret in an error";
    }
}

TEST_F(Folder, AnIdentityIsReadFromTheFilesThatTheKubeconfigNames) {
    write("ca.crt", "CA");
    write("token", "secret\n");
    const std::string file =
        write("k.conf", kubeconfig("{certificate-authority: ca.crt}", "{tokenFile: token, token: old}"));
    const auto identity = loadIdentity(file);
    ASSERT_TRUE(identity) << identity.error();
    EXPECT_EQ(identity->caPem, "CA");
    EXPECT_EQ(identity->token, "secret");
    write("token", "evil\r\nX-Header: 1");
    EXPECT_FALSE(loadIdentity(file));
    EXPECT_EQ(loadIdentity((path_ / "none.conf").string()).error(),
              (path_ / "none.conf").string() + ": No such file or directory");
    EXPECT_NE(loadIdentity(path_.string()).error().find("not a regular file"), std::string::npos);
}

TEST_F(Folder, TheCacheGivesBackWhatItWasGiven) {
    const std::string file = (path_ / "state/backends.json").string();
    EXPECT_TRUE(loadBackendCache(file)->empty()) << "a cache that isn't there yet is no error";
    const std::vector<lb::Backend> members{
        {.endpoint = *lb::parseEndpoint("10.10.1.83:6443"), .name = "master1"},
        {.endpoint = *lb::parseEndpoint("[fd00::1]:6443"), .name = "m\xff\"2"}};
    ASSERT_TRUE(saveBackendCache(file, members));
    auto loaded = loadBackendCache(file);
    ASSERT_TRUE(loaded) << loaded.error();
    ASSERT_EQ(loaded->size(), 2U);
    EXPECT_EQ((*loaded)[0], members[0]);
    EXPECT_EQ((*loaded)[1].endpoint, members[1].endpoint);
    EXPECT_EQ(std::filesystem::status(file).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    EXPECT_FALSE(saveBackendCache("/proc/nowhere/backends.json", members));
}

TEST_F(Folder, TheCacheHoldsNoMoreThanCanBeLoadedAgain) {
    const std::string file = (path_ / "backends.json").string();
    std::vector<lb::Backend> members;
    for (int i = 0; i < 1200; ++i) {
        members.push_back({.endpoint = *lb::parseEndpoint("10.0." + std::to_string(i / 250) + "." +
                                                          std::to_string(i % 250) + ":6443"),
                           .name = "n"});
    }
    ASSERT_TRUE(saveBackendCache(file, members));
    const auto loaded = loadBackendCache(file);
    ASSERT_TRUE(loaded) << loaded.error();
    EXPECT_EQ(loaded->size(), 1000U);
}

TEST_F(Folder, TheCacheIsNeverWrittenThroughALink) {
    const std::string victim = write("victim", "untouched");
    const std::string file = (path_ / "backends.json").string();
    std::filesystem::create_symlink(victim, file);
    std::filesystem::create_symlink(victim, file + ".new");
    ASSERT_TRUE(saveBackendCache(file, {{.endpoint = *lb::parseEndpoint("10.0.0.1:6443"), .name = "n"}}));
    EXPECT_FALSE(std::filesystem::is_symlink(file));
    std::string text;
    std::getline(std::ifstream(victim) >> std::ws, text);
    EXPECT_EQ(text, "untouched");
}

TEST_F(Folder, AFileThatIsTooLargeIsNotRead) {
    const std::string file = write("big", std::string((1U << 20U) + 1, '#'));
    EXPECT_EQ(loadIdentity(file).error(), file + ": File too large");
    EXPECT_EQ(loadBackendCache(file).error(), file + ": File too large");
    EXPECT_EQ(parseKubeconfig(std::string((1U << 20U) + 1, '#'), "f").error(), "f: is larger than 1 MiB");
}

TEST(BackendCache, RefusesADamagedOne) {
    for (const char* text :
         {"", "[]", "{}", R"({"version":2,"backends":[]})", R"({"version":1})",
          R"({"version":1,"backends":[7]})", R"({"version":1,"backends":[{"endpoint":"x","name":"n"}]})",
          R"({"version":1,"backends":[{"endpoint":"10.0.0.1:0","name":"n"}]})",
          R"({"version":1,"backends":[{"endpoint":"10.0.0.1:1"}]})"}) {
        EXPECT_FALSE(parseBackendCache(text)) << text;
    }
}

}  // namespace
}  // namespace fairlead::kubernetes
