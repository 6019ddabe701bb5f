#pragma once
// Blocks every signal for the calling thread until it goes out of scope; what is started meanwhile, thread or
// process, inherits the mask. pthread_sigmask(3).

#include <pthread.h>
#include <signal.h>

namespace fairlead::net {

class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  private:
    sigset_t before_{};
};

}  // namespace fairlead::net
