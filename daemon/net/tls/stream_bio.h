#pragma once
// The BIO between an SSL object and the stream that carries its records. It never waits: reading and writing go
// straight to read_now() and write_now(), and what cannot be done now is a retry for OpenSSL.
//
// Bounded: at most one piece of input (kPiece) is held, and only while it is not used up; output that the stream does
// not take is held, at most kMostOutput and one record. Output never fails for OpenSSL, so that a peer that takes no
// more bytes leaves the read half alone: see write_error().
//
// A call of SSL_... is a turn: begin() it. In one turn OpenSSL gets kReadsPerTurn reads, which is two per record, then
// it is told to retry although there may be input: a peer that sends nothing but key updates, tickets or warnings
// cannot hold the loop. One owner; the loop's thread. Outlives the SSL object.
#include <memory>
#include <optional>
#include <vector>

#include "daemon/net/net.h"
#include "daemon/net/socket.h"
#include "daemon/net/tls/openssl.h"

namespace wasi_netd::net {

class StreamBio {
 public:
  explicit StreamBio(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  StreamBio(const StreamBio&) = delete;
  StreamBio& operator=(const StreamBio&) = delete;

  // Gives `ssl` this as its two ends.
  void attach(SSL* ssl);

  void begin() {
    reads_left_ = kReadsPerTurn;
    paused_ = false;
    took_input_ = false;
  }
  // Of the turn so far.
  bool paused() const { return paused_; }          // out of reads: go on in a later turn of the loop
  bool took_input() const { return took_input_; }  // bytes came from the stream

  bool ended() const { return ended_; }  // the stream's end was read
  const std::optional<Error>& read_error() const { return read_error_; }
  const std::optional<Error>& write_error() const { return write_error_; }  // output is dropped from then on

  // Whether a read is likely to find bytes.
  bool is_input_likely() { return input_at_ < input_size_ || ended_ || read_error_ || hint_.try_at_once(); }

  bool has_output() const { return !output_.empty(); }
  void flush();  // what the stream takes now
  void drop_output() {
    output_ = {};
    output_at_ = 0;
  }

 private:
  static constexpr size_t kPiece = 16 * 1024 + 512;  // a record of the usual size fits (RFC 8446 5.2)
  static constexpr size_t kMostOutput = 32 * 1024;
  static constexpr int kReadsPerTurn = 64;

  static BIO_METHOD* method();
  int read(char* to, int size, BIO*);
  int write(const char* from, int size, BIO*);
  // True: there is input. False: an end, an error, or a retry.
  bool fill();
  // Nothing taken: 0, or the error is kept.
  size_t write_stream(const char* from, size_t size);

  const std::shared_ptr<Stream> stream_;
  int reads_left_ = kReadsPerTurn;
  bool paused_ = false, took_input_ = false, ended_ = false;
  std::optional<Error> read_error_, write_error_;
  Hint hint_{false};
  std::unique_ptr<char[]> input_;
  size_t input_at_ = 0, input_size_ = 0;
  std::vector<char> output_;
  size_t output_at_ = 0;  // sent of it
};

}  // namespace wasi_netd::net
