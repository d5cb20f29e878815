#include "daemon/net/tls/stream_bio.h"

#include <algorithm>
#include <cstring>

namespace wasi_netd::net {
namespace {

// The kernel lacked memory for one call, or a signal came: nothing is lost, and it is done again.
bool is_passing(const Error& error) {
  return error.code == Errno::again || error.code == Errno::nomem || error.code == Errno::nobufs ||
         error.code == Errno::intr;
}

}  // namespace

BIO_METHOD* StreamBio::method() {
  static BIO_METHOD* const made = [] {
    BIO_METHOD* out = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    BIO_meth_set_read(out, [](BIO* bio, char* to, int size) {
      return static_cast<StreamBio*>(BIO_get_data(bio))->read(to, size, bio);
    });
    BIO_meth_set_write(out, [](BIO* bio, const char* from, int size) {
      return static_cast<StreamBio*>(BIO_get_data(bio))->write(from, size, bio);
    });
    BIO_meth_set_ctrl(out, [](BIO*, int command, long, void*) -> long { return command == BIO_CTRL_FLUSH ? 1 : 0; });
    return out;
  }();
  return made;
}

void StreamBio::attach(SSL* ssl) {
  BIO* bio = BIO_new(method());
  WASI_NETD_CHECK(bio, take_openssl_error());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
}

int StreamBio::read(char* to, int size, BIO* bio) {
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  if (reads_left_-- <= 0) {
    paused_ = true;
    BIO_set_retry_read(bio);
    return -1;
  }
  if (input_at_ == input_size_ && !fill()) {
    if (!ended_ && !read_error_) BIO_set_retry_read(bio);
    return -1;
  }
  const size_t n = std::min(static_cast<size_t>(size), input_size_ - input_at_);
  std::memcpy(to, input_.get() + input_at_, n);
  input_at_ += n;
  // An idle connection holds no buffer.
  if (input_at_ == input_size_) input_.reset();
  return static_cast<int>(n);
}

bool StreamBio::fill() {
  if (ended_ || read_error_) return false;
  if (!input_) input_.reset(new char[kPiece]);  // not std::make_unique: nobody needs 16 KiB of zeros
  const Result<size_t> n = stream_->read_now(asio::mutable_buffer(input_.get(), kPiece));
  input_at_ = 0;
  input_size_ = n ? *n : 0;
  hint_.saw(input_size_ == kPiece);
  if (input_size_ > 0) {
    took_input_ = true;
    return true;
  }
  input_.reset();
  if (n) {
    ended_ = true;
  } else if (!is_passing(n.error())) {
    read_error_ = n.error();
  } else if (n.error().code != Errno::again) {
    paused_ = true;
  }
  return false;
}

size_t StreamBio::write_stream(const char* from, size_t size) {
  const Result<size_t> n = stream_->write_now(asio::const_buffer(from, size));
  if (n) return *n;
  if (!is_passing(n.error())) write_error_ = n.error();
  return 0;
}

int StreamBio::write(const char* from, int size, BIO* bio) {
  BIO_clear_retry_flags(bio);
  if (size <= 0 || write_error_) return size;
  if (output_.size() - output_at_ >= kMostOutput) {
    BIO_set_retry_write(bio);
    return -1;
  }
  size_t sent = output_.empty() ? write_stream(from, static_cast<size_t>(size)) : 0;
  if (!write_error_) output_.insert(output_.end(), from + sent, from + size);
  return size;
}

void StreamBio::flush() {
  while (output_at_ < output_.size() && !write_error_) {
    const size_t n = write_stream(output_.data() + output_at_, output_.size() - output_at_);
    if (n == 0) break;
    output_at_ += n;
  }
  if (output_at_ < output_.size() && !write_error_) return;
  output_ = {};
  output_at_ = 0;
}

}  // namespace wasi_netd::net
