#pragma once
// What is asked of the API server and how its refusals are put into words. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "agent/kubernetes/kubeconfig.h"

namespace fairlead::kubernetes {

/// A page of the list of Nodes; `continueToken` is empty for the first.
std::string listPath(std::string_view selector, std::string_view continueToken);

/// The changes since `resourceVersion`, with bookmarks; the server ends it after `seconds`.
std::string watchPath(std::string_view selector, std::string_view resourceVersion, int seconds);

/// All Nodes as ADDED events, then a bookmark that says so, then the changes: a list and a watch in one,
/// without the list's memory on either side. KEP-3157; on by default since Kubernetes 1.34.
std::string watchListPath(std::string_view selector, int seconds);

/// What a SelfSubjectAccessReview is asked about.
struct Right {
    std::string verb;      ///< "watch"
    std::string resource;  ///< "nodes"
    std::string space;     ///< the namespace; empty: cluster-wide
};
inline constexpr const char* kAccessReviewPath = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
std::string accessReview(const Right& right);
/// Nothing if the answer's body doesn't say.
std::optional<bool> reviewedAsAllowed(std::string_view body);

/// "https://HOST:PORT/…" → "HOST", without brackets.
std::string hostOf(std::string_view url);

/// What a 401 or 403 means for this identity and what to do about it, in one line. `message` is the Status'
/// text; `validity` says what is wrong with the client certificate's dates, if anything.
std::string describeDenial(unsigned status, std::string_view message, const Identity& identity,
                           const std::optional<std::string>& validity);

}  // namespace fairlead::kubernetes
