#include "agent/privileges/system_call_filter.h"

#if FAIRLEAD_SECCOMP

#include <seccomp.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <type_traits>
#include <vector>

#endif

namespace fairlead::privileges {

#if FAIRLEAD_SECCOMP

namespace {

struct Release {
    void operator()(scmp_filter_ctx filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, Release>;

std::unexpected<std::string> failed(const std::string& what, int result) {
    return std::unexpected("seccomp: " + what + ": " + std::generic_category().message(-result));
}

/// How libseccomp works: errors of the kernel's as they are, every thread at once. What a kernel is too old
/// for is done without.
Filter makeFilter(std::uint32_t otherwise) {
    Filter filter(seccomp_init(otherwise));
    if (!filter) return filter;
    seccomp_attr_set(filter.get(), SCMP_FLTATR_API_SYSRAWRC, 1);
    seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
    // The mitigations that kernels before 5.16 give to filtered processes are for those that run foreign code
    // in a sandbox of their own; they would cost the balancer dearly.
    seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_SSB, 1);
    return filter;
}

int addRule(scmp_filter_ctx filter, const Allowed& rule) {
    const int number = seccomp_syscall_resolve_name(rule.call);
    if (number == __NR_SCMP_ERROR) return -ENOSYS;
    if (number < 0) return 0;  // another architecture's
    std::vector<scmp_arg_cmp> conditions;
    conditions.reserve(rule.when.size());
    for (const Condition& condition : rule.when) {
        conditions.push_back({.arg = condition.argument,
                              .op = SCMP_CMP_MASKED_EQ,
                              .datum_a = condition.mask,
                              .datum_b = condition.value});
    }
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, static_cast<unsigned>(conditions.size()),
                                  conditions.data());
}

/// A filter of its own, which logs nothing: libc tries clone3(2) for each thread and takes ENOSYS for a hint.
std::expected<void, std::string> hideClone3() {
    const Filter filter = makeFilter(SCMP_ACT_ALLOW);
    if (!filter) return failed("clone3", -ENOMEM);
    int result = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (result == 0) result = seccomp_load(filter.get());
    if (result != 0) return failed("clone3", result);
    return {};
}

}  // namespace

std::expected<void, std::string> limitSystemCalls(FilterMode mode, std::span<const Allowed> allowed) {
    if (mode == FilterMode::Off) return {};
    const std::uint32_t otherwise = mode == FilterMode::Log ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(EPERM);
    const Filter filter = makeFilter(otherwise);
    if (!filter) return failed("the filter", -ENOMEM);
    seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, otherwise);
    seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_LOG, 1);
    seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a binary tree
    for (const Allowed& rule : allowed) {
        if (const int result = addRule(filter.get(), rule); result != 0) return failed(rule.call, result);
    }
    if (mode == FilterMode::Enforce) {
        if (auto hidden = hideClone3(); !hidden) return hidden;
    }
    if (const int result = seccomp_load(filter.get()); result != 0) return failed("the filter", result);
    return {};
}

#else

std::expected<void, std::string> limitSystemCalls(FilterMode mode, std::span<const Allowed> /*allowed*/) {
    if (mode == FilterMode::Off) return {};
    return std::unexpected("this build has no filter of system calls");
}

#endif

}  // namespace fairlead::privileges
