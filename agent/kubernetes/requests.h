#pragma once
// What is asked of the API server and how its refusals are put into words. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "agent/kubernetes/kubeconfig.h"
#include "agent/kubernetes/source.h"

namespace fairlead::kubernetes {

/// The objects that are read.
struct Collection {
    Source source = Source::Nodes;
    std::string selector;  ///< of labels, as kubectl's -l takes it; empty: all of them
    bool beta = false;     ///< EndpointSlices by discovery.k8s.io/v1beta1, as before Kubernetes 1.21
};

/// Nodes by `nodeSelector`, or the slices of the Service `kubernetes`, whatever the selector.
Collection collection(Source source, const std::string& nodeSelector);

/// Which one to ask for where that one isn't served (404): the beta of an old server. Nothing if there is no
/// other.
std::optional<Collection> olderThan(const Collection& collection);

/// A page of the list; `continueToken` is empty for the first.
std::string listPath(const Collection& collection, std::string_view continueToken);

/// The changes since `resourceVersion`, with bookmarks; the server ends it after `seconds`.
std::string watchPath(const Collection& collection, std::string_view resourceVersion, int seconds);

/// All objects as ADDED events, then a bookmark that says so, then the changes: a list and a watch in one,
/// without the list's memory on either side. KEP-3157; on by default since Kubernetes 1.34.
std::string watchListPath(const Collection& collection, int seconds);

/// What a SelfSubjectAccessReview is asked about.
struct Right {
    std::string verb;      ///< "watch"
    std::string resource;  ///< "nodes"
    std::string space;     ///< the namespace; empty: cluster-wide
    std::string group;     ///< of the API; empty: the core
};
/// That to watch the source.
Right watchRight(Source source);
inline constexpr const char* kAccessReviewPath = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
std::string accessReview(const Right& right);
/// Nothing if the answer's body doesn't say.
std::optional<bool> reviewedAsAllowed(std::string_view body);

/// "https://HOST:PORT/…" → "HOST", without brackets.
std::string hostOf(std::string_view url);

/// What a 401 or 403 means for this identity and what to do about it, in one line. `message` is the Status'
/// text; `validity` says what is wrong with the client certificate's dates, if anything.
std::string describeDenial(unsigned status, std::string_view message, const Identity& identity,
                           const std::optional<std::string>& validity, Source source);

}  // namespace fairlead::kubernetes
