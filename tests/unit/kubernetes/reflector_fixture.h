#pragma once
// A Reflector that asks API stand-ins, and what it has told of.

#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/kubernetes/reflector.h"
#include "tests/unit/kubernetes/api_stand_in.h"

namespace fairlead::kubernetes {

class ReflectorTest : public testing::Test {
  protected:
    static void SetUpTestSuite() { pki_ = new Pki; }
    static void TearDownTestSuite() {
        delete pki_;
        pki_ = nullptr;
    }

    [[nodiscard]] ReflectorOptions options(const ApiStandIn& api) const {
        return {.kubeconfigs = {pki_->clientKubeconfig()},
                .server = "",
                .nodeSelector = "node-role.kubernetes.io/control-plane",
                .port = api.port(),
                .vips = {}};
    }

    Reflector& start(const ReflectorOptions& options) {
        reflector_.emplace(
            options,
            [this](const std::vector<lb::Backend>& members) {
                const std::lock_guard lock(mutex_);
                lists_.emplace_back();
                for (const lb::Backend& member : members)
                    lists_.back().push_back(member.name + "=" + member.endpoint.address.to_string());
            },
            [this] {
                const std::lock_guard lock(mutex_);
                return others_;
            });
        reflector_->start();
        return *reflector_;
    }

    using Members = std::vector<std::string>;
    Members members() {
        const std::lock_guard lock(mutex_);
        return lists_.empty() ? Members{} : lists_.back();
    }
    std::size_t lists() {
        const std::lock_guard lock(mutex_);
        return lists_.size();
    }
    bool becomes(const Members& expected) {
        return await([&] { return members() == expected; });
    }
    bool says(const std::string& text) {
        return await([&] { return reflector_->status().lastError.find(text) != std::string::npos; });
    }

    static inline Pki* pki_ = nullptr;
    std::mutex mutex_;
    std::vector<Members> lists_;
    std::vector<lb::Endpoint> others_;
    std::optional<Reflector> reflector_;
};

}  // namespace fairlead::kubernetes
