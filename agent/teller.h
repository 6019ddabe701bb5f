#pragma once
// How the parts of the composition say what happened: to the log, to `fairlead explain`, and to who looks at
// the page. Control thread.

#include <functional>
#include <initializer_list>
#include <span>
#include <string_view>
#include <utility>

#include "agent/log/log.h"

namespace fairlead {

class Teller {
  public:
    using Sink = std::function<void(logging::Level, std::string_view component, std::string_view message,
                                    std::span<const logging::Field>)>;

    explicit Teller(Sink sink) : sink_(std::move(sink)) {}

    void operator()(logging::Level level, std::string_view component, std::string_view message,
                    std::initializer_list<logging::Field> fields) const {
        sink_(level, component, message, {fields.begin(), fields.size()});
    }

  private:
    Sink sink_;
};

}  // namespace fairlead
