#pragma once
// Waiting for what another thread or process does.

#include <chrono>
#include <functional>
#include <thread>

namespace fairlead::test {

/// Asks every few milliseconds whether it holds; the limit is only there so that a test that fails ends.
inline bool await(const std::function<bool()>& condition,
                  std::chrono::seconds limit = std::chrono::seconds(60)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

}  // namespace fairlead::test
