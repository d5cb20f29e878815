#pragma once
// Name servers for tests, on loopback: Debian's dnsmasq as a child process, and a socket where the test answers itself.
#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/support/native.h"

namespace wasi_netd::test {

// A real server with the records given as dnsmasq's own options. Stopped with the object.
class Dnsmasq {
 public:
  static bool installed() { return ::access(kProgram, X_OK) == 0; }

  explicit Dnsmasq(const std::vector<std::string>& records) {
    // Between finding a free port and dnsmasq's taking it another program may be faster.
    for (int attempt = 0; attempt < 5; ++attempt) {
      find_port();
      if (launch(records)) return;
      end();
    }
    throw std::runtime_error("dnsmasq did not start: " + text_);
  }
  Dnsmasq(const Dnsmasq&) = delete;
  Dnsmasq& operator=(const Dnsmasq&) = delete;
  ~Dnsmasq() { end(); }

  uint16_t port() const { return port_; }

  // How often `what`, such as "query[A] one.example", stands in its log since it started. It logs a query before it
  // answers.
  int logged(const std::string& what) {
    pollfd more = {log_.fd(), POLLIN, 0};
    while (::poll(&more, 1, 0) == 1 && take_log()) {
    }
    int count = 0;
    for (size_t at = text_.find(what); at != std::string::npos; at = text_.find(what, at + 1)) ++count;
    return count;
  }

 private:
  static constexpr const char* kProgram = "/usr/sbin/dnsmasq";
  // Free for UDP and for TCP.
  void find_port() {
    for (;;) {
      NativeSocket udp = native_bind(native_ip("127.0.0.1", 0), SOCK_DGRAM);
      port_ = udp.local_port();
      try {
        native_bind(native_ip("127.0.0.1", port_));
        return;
      } catch (const std::system_error&) {
      }
    }
  }
  bool launch(const std::vector<std::string>& records) {
    std::vector<std::string> words = {
        kProgram,      "--keep-in-foreground", "--conf-file=/dev/null",      "--no-resolv",
        "--no-hosts",  "--bind-interfaces",    "--listen-address=127.0.0.1", "--port=" + std::to_string(port_),
        "--pid-file=", "--log-queries",        "--log-facility=-",           "--local=/example/"};
    if (::geteuid() == 0) words.emplace_back("--user=root");
    words.insert(words.end(), records.begin(), records.end());
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("pipe");
    log_ = NativeSocket(ends[0]);
    NativeSocket log_writer(ends[1]);
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    child_ = ::fork();
    if (child_ < 0) throw_errno("fork");
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(log_writer.fd(), STDERR_FILENO);
      ::execv(kProgram, arguments.data());
      ::_exit(127);
    }
    log_writer.close();
    text_.clear();
    while (text_.find("started, ") == std::string::npos) {
      log_.wait(POLLIN);
      if (!take_log()) return false;
    }
    text_.clear();
    return true;
  }
  void end() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  bool take_log() {
    char piece[4096];
    ssize_t n = ::read(log_.fd(), piece, sizeof piece);
    if (n <= 0) return false;
    text_.append(piece, static_cast<size_t>(n));
    return true;
  }

  uint16_t port_ = 0;
  pid_t child_ = -1;
  NativeSocket log_;
  std::string text_;
};

// A UDP socket that gets the queries and answers what the test tells it to, or nothing.
class ScriptedDns {
 public:
  explicit ScriptedDns(const std::string& ip = "127.0.0.1", uint16_t port = 0)
      : socket_(native_bind(native_ip(ip, port), SOCK_DGRAM)) {}

  uint16_t port() const { return socket_.local_port(); }

  struct Query {
    std::string bytes;
    sockaddr_storage from{};
    socklen_t from_size = sizeof(sockaddr_storage);
  };
  bool has_query() const {
    pollfd entry = {socket_.fd(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
  }
  Query receive() {
    Query query;
    query.bytes.resize(1500);
    ssize_t n = ::recvfrom(socket_.fd(), query.bytes.data(), query.bytes.size(), 0,
                           reinterpret_cast<sockaddr*>(&query.from), &query.from_size);
    if (n < 12) throw std::runtime_error("no query came");
    query.bytes.resize(static_cast<size_t>(n));
    return query;
  }
  void send(const Query& to, const std::string& bytes) {
    ::sendto(socket_.fd(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to.from), to.from_size);
  }
  // The query as a response with this code and these records (RFC 1035 section 4).
  void answer(const Query& query, int code, const std::vector<std::string>& records = {}) {
    send(query, response(query, code, records));
  }
  static std::string response(const Query& query, int code, const std::vector<std::string>& records) {
    std::string out = query.bytes.substr(0, question_end(query.bytes));
    out[2] = static_cast<char>(0x81);         // a response, recursion desired
    out[3] = static_cast<char>(0x80 | code);  // recursion available
    out[6] = 0;
    out[7] = static_cast<char>(records.size());
    out[8] = out[9] = out[10] = out[11] = 0;
    for (const auto& record : records) out += record;
    return out;
  }
  // An A record for the name of the question.
  static std::string a_record(const std::string& ip, uint32_t ttl) {
    in_addr address{};
    ::inet_pton(AF_INET, ip.c_str(), &address);
    return record('\1', ttl, {reinterpret_cast<const char*>(&address), sizeof address});
  }
  static std::string aaaa_record(const std::string& ip, uint32_t ttl) {
    in6_addr address{};
    ::inet_pton(AF_INET6, ip.c_str(), &address);
    return record('\x1c', ttl, {reinterpret_cast<const char*>(&address), sizeof address});
  }

 private:
  static std::string record(char type, uint32_t ttl, const std::string& data) {
    std::string out("\xc0\x0c\0", 3);
    out += type + std::string("\0\1", 2);
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(ttl >> shift);
    return out + '\0' + static_cast<char>(data.size()) + data;
  }
  static size_t question_end(const std::string& bytes) {
    size_t at = 12;
    while (bytes.at(at) != 0) at += static_cast<unsigned char>(bytes[at]) + 1U;
    return at + 5;
  }
  NativeSocket socket_;
};

}  // namespace wasi_netd::test
