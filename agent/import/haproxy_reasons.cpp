#include "agent/import/haproxy_reasons.h"

#include <map>

#include "agent/import/draft.h"

namespace fairlead::importing {
namespace {

using Reasons = std::map<std::string, std::string>;

const char* const kProcess = "is about HAProxy's own process";

/// Words that begin a line, and why there is nothing to carry.
const Reasons kLines{
    {"log", "fairlead logs to its standard error"},
    {"log-format", "see loadBalancer.accessLog"},
    {"log-tag", "fairlead logs to its standard error"},
    {"chroot", kProcess},
    {"user", kProcess},
    {"group", kProcess},
    {"daemon", kProcess},
    {"pidfile", kProcess},
    {"nbproc", kProcess},
    {"nbthread", "there is one worker for each core"},
    {"cpu-map", "there is one worker for each core"},
    {"master-worker", kProcess},
    {"ulimit-n", "fairlead takes what the system allows"},
    {"hard-stop-after", kProcess},
    {"spread-checks", "probes are jittered by a tenth"},
    {"stats", "fairlead's figures are at admin.bind: /status, /metrics"},
    {"ssl-default-bind-ciphers", kTls},
    {"ssl-default-bind-ciphersuites", kTls},
    {"ssl-default-bind-options", kTls},
    {"ssl-default-server-options", kTls},
    {"ssl-default-server-ciphers", kTls},
    {"ca-base", kTls},
    {"crt-base", kTls},
    {"tune.ssl.default-dh-param", kTls},
    {"errorfile", kHttp},
    {"http-request", kHttp},
    {"http-response", kHttp},
    {"cookie", kHttp},
    {"stick-table", "see loadBalancer.algorithm: sourceHash"},
    {"stick", "see loadBalancer.algorithm: sourceHash"},
    {"hash-type", "sourceHash is consistent by itself"},
    {"retries", "a backend that can't be connected to is passed over until all have been tried"},
    {"acl", "fairlead has one service and no rules"},
    {"use_backend", "fairlead has one service and no rules"},
    {"tcp-request", "fairlead has no rules for connections"},
    {"tcp-response", "fairlead has no rules for connections"},
    {"fullconn", "fairlead has no rules for connections"},
    {"monitor-uri", "fairlead's health is at admin.bind: /healthz, /readyz"},
    {"maxsslconn", kTls},
};

const Reasons kOptions{
    {"httplog", "loadBalancer.accessLog: true gives a line for each connection"},
    {"tcplog", "loadBalancer.accessLog: true gives a line for each connection"},
    {"dontlognull", "see loadBalancer.accessLog"},
    {"dontlog-normal", "see loadBalancer.accessLog"},
    {"redispatch", "is always so"},
    {"http-server-close", kHttp},
    {"http-keep-alive", kHttp},
    {"httpclose", kHttp},
    {"forwardfor", kHttp},
    {"tcpka", "dead peers are always found, on both sides"},
    {"clitcpka", "dead peers are always found, on both sides"},
    {"srvtcpka", "dead peers are always found, on both sides"},
    {"tcp-smart-accept", "is a matter of the kernel's"},
    {"tcp-smart-connect", "is a matter of the kernel's"},
    {"splice-auto", "bulk is always spliced"},
    {"allbackups", "all backends are alike"},
    {"log-health-checks", "changes of health are always logged"},
    {"abortonclose", "a client that leaves is always let go"},
};

std::string reasonOf(const std::string& word, const Reasons& reasons) {
    const auto known = reasons.find(word);
    return known != reasons.end() ? known->second : kNoCounterpart;
}

}  // namespace

std::string lineReason(const std::string& word) {
    return reasonOf(word, kLines);
}

std::string optionReason(const std::string& word) {
    return reasonOf(word, kOptions);
}

}  // namespace fairlead::importing
