#pragma once
// Work in a process of its own, as what is given up doesn't come back.

#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace fairlead::privileges {

/// The wait status of a child that ends with 0 if `work` returns true, else with 1.
inline int statusOfChild(const std::function<bool()>& work) {
    const pid_t child = fork();
    if (child == 0) _exit(work() ? 0 : 1);
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

/// Whether `work` returns true in a process of its own.
inline bool inChild(const std::function<bool()>& work) {
    const int status = statusOfChild(work);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace fairlead::privileges
