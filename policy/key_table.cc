#include "policy/key_table.h"

namespace wasi_netd::policy {
namespace {

using Kind = Type::Kind;

constexpr uint64_t kMany = 1'000'000;

constexpr TextForm kTenantForm{.rest = "a-z0-9-", .min = 1, .max = 32};
constexpr TextForm kProtocolForm{.rest = "a-z0-9_-", .min = 1, .max = 32};
constexpr TextForm kGuestForm{.rest = "A-Za-z0-9._-", .min = 1, .max = 64};
constexpr TextForm kHostForm{.rest = "A-Za-z0-9.-", .min = 1, .max = 254};
constexpr TextForm kAccountForm{.first = "A-Za-z_", .rest = "A-Za-z0-9_.-", .min = 1, .max = 32};
constexpr std::string_view kSizeUnits[] = {"KiB", "MiB", "GiB"};
constexpr TextForm kSizeForm{.first = "1-9", .rest = "0-9", .min = 1, .max = 7, .endings = kSizeUnits};
constexpr std::string_view kTimeUnits[] = {"ms", "s", "m"};
constexpr TextForm kDurationForm{.first = "1-9", .rest = "0-9", .min = 1, .max = 7, .endings = kTimeUnits};

constexpr TextForm kPathForm{.first = "/", .rest = " -~", .min = 2, .max = kMaxText};
constexpr TextForm kAlpnForm{.rest = "!-~", .min = 1, .max = 255};

constexpr Type kVersion{.kind = Kind::kInteger, .expected = "1", .min = 1, .max = 1};
constexpr Type kTenantName{.expected = "1 to 32 of a-z, 0-9 and '-'", .form = &kTenantForm};
constexpr Type kProtocolName{.expected = "1 to 32 of a-z, 0-9, '-' and '_'", .form = &kProtocolForm};
constexpr Type kGuestName{.expected = "1 to 64 of letters, digits, '.', '-' and '_'", .form = &kGuestForm};
constexpr Type kSize{.expected = "a size such as 160KiB, 64MiB or 1GiB", .form = &kSizeForm};
constexpr Type kDuration{.expected = "a duration such as 500ms, 2s or 1m", .form = &kDurationForm};
constexpr Type kPath{.expected = "an absolute path of printable ASCII", .form = &kPathForm};
constexpr Type kName{.expected = "a host name"};
constexpr Type kAddress{.expected = "an IP address"};
constexpr Type kAddresses{
    .kind = Kind::kList, .expected = "a list of IP addresses", .min = 1, .max = 64, .item = &kAddress};

constexpr Type kAccount{.kind = Kind::kTextOrInteger,
                        .expected = "an account's name, or its number of at most 4294967294",
                        .form = &kAccountForm,
                        .max = 4'294'967'294};
constexpr Key kPeerKeys[] = {
    {"user", &kAccount, false, "User of the process: a name or a number."},
    {"group", &kAccount, false, "Primary group of the process: a name or a number."},
};
constexpr Type kPeer{.kind = Kind::kObject, .expected = "a peer such as {user: wasmhost}", .min = 1, .keys = kPeerKeys};
constexpr Type kPeers{.kind = Kind::kList, .expected = "a list of peers", .min = 1, .max = 256, .item = &kPeer};

constexpr std::string_view kModeWords[] = {"enforce", "audit"};
constexpr Type kMode{.kind = Kind::kWord, .words = kModeWords};
constexpr std::string_view kTransportWords[] = {"tcp", "udp", "unix"};
constexpr std::string_view kLaterTransports[] = {"quic"};
constexpr Type kTransport{.kind = Kind::kWord, .words = kTransportWords, .later_words = kLaterTransports};
constexpr std::string_view kFamilyWords[] = {"ipv4", "ipv6"};
constexpr Type kFamily{.kind = Kind::kWord, .words = kFamilyWords};
constexpr Type kFamilies{
    .kind = Kind::kList, .expected = "a list of ipv4 and ipv6", .min = 1, .max = 2, .item = &kFamily};

// Every word of rights.def is here or among the later ones; a test holds that.
constexpr std::string_view kRightWords[] = {
    "open",      "listen", "accept", "connect",  "stream_create", "stream_accept", "resolve",   "send_to",
    "recv_from", "read",   "write",  "shutdown", "sock_accept",   "poll",          "set_flags", "stat",
};
constexpr std::string_view kLaterRights[] = {"delegate"};
constexpr Type kRight{.kind = Kind::kWord, .words = kRightWords, .later_words = kLaterRights};
constexpr Type kRights{.kind = Kind::kList, .expected = "a list of rights", .min = 1, .max = 32, .item = &kRight};

constexpr Type kRule{.expected = "a rule"};
constexpr Type kRules{
    .kind = Kind::kList, .name = "rules", .expected = "a list of rules", .min = 1, .max = kMany, .item = &kRule};
constexpr Key kSectionKeys[] = {
    {"allow", &kRules, true, "What is permitted, unless a rule of `deny` matches too."},
    {"deny", &kRules, false, "What is refused, whatever `allow` says."},
};
constexpr Type kSection{
    .kind = Kind::kObject, .name = "section", .expected = "a mapping with `allow` and `deny`", .keys = kSectionKeys};

constexpr Type kHosts{.kind = Kind::kMap,
                      .expected = "a mapping of host names to addresses",
                      .form = &kHostForm,
                      .min = 1,
                      .max = 10'000,
                      .item = &kAddresses};
constexpr Type kServer{.expected = "an address, with a port where it is not 53"};
constexpr Type kServers{
    .kind = Kind::kList, .expected = "a list of DNS servers", .min = 1, .max = 16, .item = &kServer};
constexpr Key kResolverKeys[] = {
    {"servers", &kServers, false, "DNS servers: ADDRESS, IPV4:PORT or [IPV6]:PORT. Omitted: the system's."},
    {"timeout", &kDuration, false, "How long a name may take to resolve, 10ms to 5m. Omitted: 5s."},
    {"hosts", &kHosts, false, "Names that are answered from here without a query."},
};
constexpr Type kResolver{
    .kind = Kind::kObject, .expected = "a mapping with `servers`, `timeout`, `hosts`", .min = 1, .keys = kResolverKeys};

constexpr std::string_view kRoleWords[] = {"client", "server"};
constexpr Type kRole{.kind = Kind::kWord, .words = kRoleWords};
constexpr Key kIdentityKeys[] = {
    {"certificate", &kPath, true, "PEM file: the certificate first, then those that lead to the root."},
    {"key", &kPath, true, "PEM file: the certificate's private key."},
};
constexpr Type kIdentity{
    .kind = Kind::kObject, .expected = "a mapping with `certificate` and `key`", .keys = kIdentityKeys};
constexpr Type kIdentities{
    .kind = Kind::kList, .expected = "a list of {certificate, key}", .min = 1, .max = 256, .item = &kIdentity};
constexpr Type kAlpnName{.expected = "an ALPN name, 1 to 255 of printable ASCII without spaces", .form = &kAlpnForm};
constexpr Type kAlpn{.kind = Kind::kList, .expected = "a list of ALPN names", .min = 1, .max = 32, .item = &kAlpnName};
constexpr std::string_view kTlsVersionWords[] = {"1.2", "1.3"};
constexpr Type kTlsVersion{.kind = Kind::kWord, .words = kTlsVersionWords};
constexpr std::string_view kVerifyWords[] = {"none", "optional", "required"};
constexpr Type kVerify{.kind = Kind::kWord, .words = kVerifyWords};
constexpr Key kTlsKeys[] = {
    {"role", &kRole, true, "Whether guests are the clients of TLS or its servers."},
    {"ca", &kPath, false, "PEM file: who vouches for the peer. Omitted: the system's store, for a client."},
    {"crl", &kPath, false, "PEM file: revocation lists of `ca`. Omitted: revocation is not checked."},
    {"certificate", &kPath, false, "PEM file: the protocol's own certificate first, then those that lead to the root."},
    {"key", &kPath, false, "PEM file: the private key, which never leaves the daemon."},
    {"certificates", &kIdentities, false, "Server: several, chosen by the name the client asks for; the first else."},
    {"alpn", &kAlpn, false, "Application protocols, the preferred first. Omitted: not negotiated."},
    {"min_version", &kTlsVersion, false, "The oldest version of TLS, in quotes. Omitted: 1.2."},
    {"server_name", &kName, false, "Client: the name asked for and verified, instead of the one in connect()."},
    {"verify", &kVerify, false,
     "What is asked of the peer's certificate. Server: none when omitted. Client: required."},
    {"handshake_timeout", &kDuration, false, "How long a handshake may take, 10ms to 5m. Omitted: 10s."},
};
constexpr Type kTls{.kind = Kind::kObject, .expected = "a mapping with `role`", .keys = kTlsKeys};

constexpr Type kUrl{.expected = "a URL such as socks5://proxy.example:1080"};
constexpr std::string_view kResolveWords[] = {"here", "proxy"};
constexpr Type kResolve{.kind = Kind::kWord, .words = kResolveWords};
constexpr Key kProxyKeys[] = {
    {"url", &kUrl, true, "SCHEME://[USER@]HOST[:PORT], SCHEME one of socks5 (port 1080), http (3128), https (443)."},
    {"password_file", &kPath, false, "File whose first line is the password of the URL's user."},
    {"resolve", &kResolve, false, "Who turns names into addresses. Omitted: here, so that addresses are judged."},
    {"ca", &kPath, false, "PEM file: who vouches for a proxy at https://. Omitted: the system's store."},
    {"timeout", &kDuration, false, "How long the proxy may take to reach the peer, 10ms to 5m. Omitted: 10s."},
};
constexpr Type kProxy{.kind = Kind::kObject, .expected = "a mapping with `url`", .keys = kProxyKeys};

constexpr Key kProtocolKeys[] = {
    {"transport", &kTransport, true, "What carries the bytes."},
    {"families", &kFamilies, false, "Address families, tcp and udp only, the preferred first. Omitted: IPv6 and IPv4."},
    {"rights", &kRights, false, "What handles may do. Omitted: all that the sections imply."},
    {"connect", &kSection, false, "Where guests may connect and send to."},
    {"open", &kSection, false, "What guests may bind."},
    {"accept", &kSection, false, "Who may connect and send to a guest."},
    {"resolver", &kResolver, false, "How names are resolved, tcp and udp only."},
    {"tls", &kTls, false, "TLS on every connection, ended in the daemon; tcp and unix only."},
    {"proxy", &kProxy, false, "The proxy through which connections are made; tcp only."},
};
constexpr Type kProtocol{
    .kind = Kind::kObject, .expected = "a protocol, a mapping with `transport`", .keys = kProtocolKeys};
constexpr Type kProtocols{.kind = Kind::kMap,
                          .expected = "a mapping of protocol names (1 to 32 of a-z, 0-9, '-' and '_')",
                          .form = &kProtocolForm,
                          .min = 1,
                          .max = 256,
                          .item = &kProtocol};

constexpr Type kCount{.kind = Kind::kInteger, .expected = "a whole number", .min = 1, .max = kMany};
constexpr std::string_view kHandlesText = "Open handles of all kinds.";
constexpr std::string_view kConnectionsText = "Connections, those being made included.";
constexpr std::string_view kBuffersText = "Memory for bytes on their way, at least 160KiB.";
constexpr Key kSessionLimitKeys[] = {
    {"handles", &kCount, false, kHandlesText},
    {"connections", &kCount, false, kConnectionsText},
    {"buffers", &kSize, false, kBuffersText},
    {"connect_rate"},
    {"bandwidth"},
    {"idle_timeout"},
};
constexpr Type kSessionLimits{.kind = Kind::kObject,
                              .name = "session_limits",
                              .expected = "a mapping with `handles`, `connections`, `buffers`",
                              .min = 1,
                              .keys = kSessionLimitKeys};
constexpr Key kLimitKeys[] = {
    {"sessions", &kCount, false, "Guests at a time."},
    {"handles", &kCount, false, kHandlesText},
    {"connections", &kCount, false, kConnectionsText},
    {"buffers", &kSize, false, kBuffersText},
    {"host_connections", &kCount, false, "Connections of host processes to the tenant's socket."},
    {"per_session", &kSessionLimits, false, "The same for each session."},
    {"connect_rate"},
    {"bandwidth"},
    {"idle_timeout"},
};
constexpr Type kLimits{.kind = Kind::kObject, .expected = "a mapping of limits", .min = 1, .keys = kLimitKeys};

constexpr Type kProtocolNames{
    .kind = Kind::kList, .expected = "a list of protocol names", .min = 1, .max = 256, .item = &kProtocolName};
constexpr Key kGuestKeys[] = {
    {"protocols", &kProtocolNames, false, "The protocols this guest gets. Omitted: all."},
    {"limits", &kSessionLimits, false, "Limits of each of its sessions, no wider than `limits`."},
};
constexpr Type kGuest{.kind = Kind::kObject, .expected = "a mapping with `protocols` and `limits`", .keys = kGuestKeys};
constexpr Type kGuests{.kind = Kind::kMap,
                       .expected = "a mapping of guest names (1 to 64 of letters, digits, '.', '-' and '_')",
                       .form = &kGuestForm,
                       .min = 1,
                       .max = 10'000,
                       .item = &kGuest};

constexpr std::string_view kExpectWords[] = {"allow", "deny"};
constexpr Type kExpect{.kind = Kind::kWord, .words = kExpectWords};
constexpr Type kQuestion{.expected = "PROTOCOL ADDRESS, as in \"web api.example.com:443\""};
constexpr Key kTestKeys[] = {
    {"connect", &kQuestion, false, "PROTOCOL ADDRESS:PORT or PROTOCOL NAME:PORT."},
    {"open", &kQuestion, false, "PROTOCOL ADDRESS:PORT, to be bound."},
    {"listen", &kQuestion, false, "PROTOCOL ADDRESS:PORT, bound and listening."},
    {"accept", &kQuestion, false, "PROTOCOL ADDRESS:PORT of the peer; for unix its name, or nothing."},
    {"resolve", &kQuestion, false, "PROTOCOL NAME, or with `via` PROTOCOL ADDRESS."},
    {"send_to", &kQuestion, false, "As for connect: where a datagram goes."},
    {"recv_from", &kQuestion, false, "As for accept: where a datagram comes from."},
    {"via", &kName, false, "The name that ADDRESS came from."},
    {"guest", &kGuestName, false, "The guest that asks. Omitted: an unnamed one."},
    {"expect", &kExpect, true, "The verdict."},
};
constexpr std::string_view kTestOperations[] = {"connect", "open",    "listen",   "accept",
                                                "resolve", "send_to", "recv_from"};
constexpr Type kTest{.kind = Kind::kObject,
                     .expected = "a test such as {connect: \"web api.example.com:443\", expect: allow}",
                     .keys = kTestKeys,
                     .exactly_one_of = kTestOperations};
constexpr Type kTests{.kind = Kind::kList, .expected = "a list of tests", .min = 1, .max = 100'000, .item = &kTest};

constexpr Key kFileKeys[] = {
    {"version", &kVersion, true, "Version of this format."},
    {"tenant", &kTenantName, true, "The tenant's name, which is also the file's: acme.yaml."},
    {"peers", &kPeers, true, "Processes that may open sessions: any entry, all of its keys."},
    {"mode", &kMode, false, "audit: what the rules refuse is permitted and logged as would_deny."},
    {"protocols", &kProtocols, true, "The protocol objects that guests get, by name."},
    {"guests", &kGuests, false, "Which guests there are and what each gets. Omitted: every name gets everything."},
    {"limits", &kLimits, false, "Limits of the tenant as a whole."},
    {"tests", &kTests, false, "Questions whose answers are checked whenever the file is loaded."},
};
constexpr Type kFile{
    .kind = Kind::kObject, .expected = "a policy, a mapping with `version` and `tenant`", .keys = kFileKeys};

}  // namespace

const Type& policy_file_type() { return kFile; }

}  // namespace wasi_netd::policy
