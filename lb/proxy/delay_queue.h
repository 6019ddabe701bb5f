#pragma once
// Things that are due after one and the same delay, in the order in which they began to wait. An intrusive
// list: to wait, and to stop waiting, costs neither memory nor a search. Pure; each worker has its own.

#include <chrono>

#include "lb/backend.h"

namespace fairlead::lb {

/// What can wait, in one queue at a time. Its end ends its waiting.
class Waiting {
  public:
    Waiting() = default;
    ~Waiting() { leave(); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

    /// Harmless if it doesn't wait.
    void leave() {
        if (!next_) return;
        previous_->next_ = next_;
        next_->previous_ = previous_;
        previous_ = next_ = nullptr;
    }

  private:
    friend class DelayQueue;
    Waiting* previous_ = nullptr;
    Waiting* next_ = nullptr;
    TimePoint due_;
};

class DelayQueue {
  public:
    explicit DelayQueue(std::chrono::milliseconds delay) : delay_(delay) {
        ring_.previous_ = ring_.next_ = &ring_;
    }

    /// For those who enter from now on. After it became shorter they may be late by the difference, once.
    void setDelay(std::chrono::milliseconds delay) { delay_ = delay; }

    /// From now on; what waited already, here or elsewhere, begins anew.
    void enter(Waiting& waiting, TimePoint now) {
        waiting.leave();
        waiting.due_ = now + delay_;
        waiting.previous_ = ring_.previous_;
        waiting.next_ = &ring_;
        ring_.previous_->next_ = &waiting;
        ring_.previous_ = &waiting;
    }

    /// One that has waited long enough, and no longer waits; null: none.
    Waiting* expired(TimePoint now) {
        Waiting* first = ring_.next_;
        if (first == &ring_ || first->due_ > now) return nullptr;
        first->leave();
        return first;
    }

    /// TimePoint::max(): nothing waits.
    [[nodiscard]] TimePoint wakeAt() const {
        return ring_.next_ == &ring_ ? TimePoint::max() : ring_.next_->due_;
    }

  private:
    std::chrono::milliseconds delay_;
    Waiting ring_;
};

}  // namespace fairlead::lb
