#include "agent/kubernetes/requests.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace fairlead::kubernetes {
namespace {

constexpr const char* kGroup = "discovery.k8s.io";
constexpr std::string_view kPageSize = "500";

bool isAlphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// RFC 3986, 2.1: everything but its unreserved characters.
std::string percentEncoded(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    constexpr std::string_view kUnreserved = "-._~";
    std::string result;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (isAlphanumeric(c) || kUnreserved.contains(c)) {
            result += c;
        } else {
            result += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
        }
    }
    return result;
}

std::string pathOf(const Collection& collection) {
    std::string path = collection.source == Source::Nodes
                           ? "/api/v1/nodes?"
                           : std::string("/apis/") + kGroup + (collection.beta ? "/v1beta1" : "/v1") +
                                 "/namespaces/default/endpointslices?";
    if (!collection.selector.empty()) path += "labelSelector=" + percentEncoded(collection.selector) + "&";
    return path;
}

/// The account that a 403 names, as in: nodes is forbidden: User "kubernetes-admin" cannot list resource …
/// Only one that can be pasted into a shell; else a placeholder.
std::string deniedUser(std::string_view message) {
    constexpr std::string_view kMark = "User \"";
    constexpr std::string_view kHarmless = ":._@-";
    const std::size_t mark = message.find(kMark);
    if (mark == std::string_view::npos) return "USER";
    const std::string_view user = message.substr(mark + kMark.size());
    const std::size_t end = user.find('"');
    const std::string_view name = user.substr(0, end);
    const bool harmless = end != std::string_view::npos && end > 0 && name.front() != '-' &&
                          std::all_of(name.begin(), name.end(),
                                      [&](char c) { return isAlphanumeric(c) || kHarmless.contains(c); });
    return harmless ? std::string(name) : "USER";
}

}  // namespace

Collection collection(Source source, const std::string& nodeSelector) {
    if (source == Source::Nodes) return {.source = source, .selector = nodeSelector};
    return {.source = source, .selector = "kubernetes.io/service-name=kubernetes"};
}

std::optional<Collection> olderThan(const Collection& collection) {
    if (collection.source == Source::Nodes || collection.beta) return std::nullopt;
    Collection older = collection;
    older.beta = true;
    return older;
}

std::string listPath(const Collection& collection, std::string_view continueToken) {
    std::string path = pathOf(collection) + "limit=" + std::string(kPageSize);
    if (!continueToken.empty()) path += "&continue=" + percentEncoded(continueToken);
    return path;
}

std::string watchPath(const Collection& collection, std::string_view resourceVersion, int seconds) {
    return pathOf(collection) +
           "watch=true&allowWatchBookmarks=true&timeoutSeconds=" + std::to_string(seconds) +
           "&resourceVersion=" + percentEncoded(resourceVersion);
}

std::string watchListPath(const Collection& collection, int seconds) {
    return watchPath(collection, "", seconds) + "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
}

Right watchRight(Source source) {
    if (source == Source::Nodes) return {.verb = "watch", .resource = "nodes", .space = "", .group = ""};
    return {.verb = "watch", .resource = "endpointslices", .space = "default", .group = kGroup};
}

std::string accessReview(const Right& right) {
    nlohmann::json attributes{{"verb", right.verb}, {"resource", right.resource}};
    if (!right.space.empty()) attributes["namespace"] = right.space;
    if (!right.group.empty()) attributes["group"] = right.group;
    return nlohmann::json{{"apiVersion", "authorization.k8s.io/v1"},
                          {"kind", "SelfSubjectAccessReview"},
                          {"spec", {{"resourceAttributes", attributes}}}}
        .dump();
}

std::optional<bool> reviewedAsAllowed(std::string_view body) {
    const auto json = nlohmann::json::parse(body, nullptr, false);
    const nlohmann::json::json_pointer allowed("/status/allowed");
    if (!json.is_object() || !json.contains(allowed) || !json[allowed].is_boolean()) return std::nullopt;
    return json[allowed].get<bool>();
}

std::string hostOf(std::string_view url) {
    constexpr std::string_view kScheme = "https://";
    if (url.starts_with(kScheme)) url.remove_prefix(kScheme.size());
    url = url.substr(0, url.find('/'));
    if (url.starts_with('[')) {
        url.remove_prefix(1);
        return std::string(url.substr(0, url.find(']')));
    }
    return std::string(url.substr(0, url.find(':')));
}

std::string describeDenial(unsigned status, std::string_view message, const Identity& identity,
                           const std::optional<std::string>& validity, Source source) {
    std::string text = identity.file + ": " + std::to_string(status);
    if (!message.empty()) text += " " + std::string(message);
    if (status == 401) {
        if (validity) return text + " (its client certificate " + *validity + ")";
        return text + " (the API server doesn't accept this identity: another cluster's, or expired?)";
    }
    const std::string user = deniedUser(message);
    const bool nodes = source == Source::Nodes;
    const std::string grant =
        (nodes
             ? "kubectl create clusterrole fairlead --verb=get,list,watch --resource=nodes && kubectl create "
               "clusterrolebinding fairlead --clusterrole=fairlead --user="
             : "kubectl -n default create role fairlead --verb=get,list,watch "
               "--resource=endpointslices.discovery.k8s.io && kubectl -n default create rolebinding fairlead "
               "--role=fairlead --user=") +
        user;
    const std::string missing = std::string("it may not list and watch ") + plural(source) +
                                (nodes ? "" : " in the namespace default");
    if (user == "kubernetes-admin") {
        // kubeadm >= 1.29: the binding is made by super-admin.conf once the first API server runs.
        return text + " (" + missing +
               ": before `kubeadm init` has bound kubeadm:cluster-admins, it "
               "has no rights at all. Later, grant them: kubectl --kubeconfig "
               "/etc/kubernetes/super-admin.conf "
               "create clusterrolebinding kubeadm:cluster-admins --clusterrole=cluster-admin "
               "--group=kubeadm:cluster-admins)";
    }
    if (nodes && user.starts_with("system:node:")) {
        // KEP-4601, on by default since 1.32.
        return text +
               " (a kubelet may read its own Node alone since Kubernetes 1.32; make fairlead an identity of "
               "its "
               "own, as `fairlead manifest rbac` says, or grant it: " +
               grant + ")";
    }
    return text + " (" + missing + "; grant it: " + grant + ")";
}

}  // namespace fairlead::kubernetes
