/* The words of a command of semantics.c and the parts of its answer. */
#ifndef WASI_NETD_SEMANTICS_WORDS_H
#define WASI_NETD_SEMANTICS_WORDS_H

#include <inttypes.h>

#include "guest.h"

enum { kLine = 16 * 1024, kNames = 4096, kWords = 2200, kPollMost = 2048, kPolls = 5000, kBig = 64 * 1024 };

static struct {
  char name[24];
  int fd;
} names[kNames];
static int name_count;

static char* words[kWords];
static int word_count;
static const char* kept_name; /* NAME= of the current command */
static char line_copy[kLine]; /* the command as given, for data */

static void answer(uint32_t error) { printf("%s", wasi_net_errno_name(error)); }

static void keep(int fd) {
  printf(" fd=%d", fd);
  if (kept_name == NULL) return;
  for (int i = 0; i < name_count; ++i) {
    if (strcmp(names[i].name, kept_name) == 0) {
      names[i].fd = fd;
      return;
    }
  }
  if (name_count == kNames) fail("too many names");
  snprintf(names[name_count].name, sizeof names[0].name, "%s", kept_name);
  names[name_count++].fd = fd;
}

static void answer_fd(uint32_t error, int fd) {
  answer(error);
  if (error == WASI_NET_ERRNO_success) keep(fd);
}

static char big[kBig];

/* Before a call that may answer `overflow`: so that a write to the buffer shows. */
static void untouch(void) { memset(big, '~', sizeof big); }
static const char* touched(void) {
  for (size_t i = 0; i < sizeof big; ++i) {
    if (big[i] != '~') return "touched";
  }
  return "untouched";
}

static void answer_text(uint32_t error, const char* text, uint32_t length) {
  answer(error);
  if (error == WASI_NET_ERRNO_overflow) printf(" length=%" PRIu32 " %s", length, touched());
  if (error != WASI_NET_ERRNO_success) return;
  printf(" text=");
  for (uint32_t i = 0; i < length; ++i) putchar(text[i] == '\n' ? '|' : text[i]);
}

static int fd_of(const char* word) {
  for (int i = 0; i < name_count; ++i) {
    if (strcmp(names[i].name, word) == 0) return names[i].fd;
  }
  char* end = NULL;
  const long number = strtol(word, &end, 10);
  if (end != word && *end == '\0') return (int)number;
  wasi_net_fd protocol = -1;
  return wasi_net_protocol_get(word, strlen(word), &protocol) == WASI_NET_ERRNO_success ? protocol : -1;
}

static inline int fd_at(int index) { return index < word_count ? fd_of(words[index]) : -1; }
static const char* word_at(int index) { return index < word_count ? words[index] : ""; }
static uint32_t number_at(int index) { return (uint32_t)strtoul(word_at(index), NULL, 0); }

/* The value of the word KEY=value, or NULL. */
static const char* option(const char* key) {
  const size_t length = strlen(key);
  for (int i = 1; i < word_count; ++i) {
    if (strncmp(words[i], key, length) == 0 && words[i][length] == '=') return words[i] + length + 1;
  }
  return NULL;
}

static wasi_net_rights right_of(const char* word, size_t length) {
  static const struct {
    const char* word;
    unsigned bit;
  } known[] = {
#define WASI_NETD_RIGHT(name, bit, word) {word, bit},
#include "wasi_netd/rights.def"
#undef WASI_NETD_RIGHT
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i) {
    if (strlen(known[i].word) == length && strncmp(known[i].word, word, length) == 0) {
      return UINT64_C(1) << known[i].bit;
    }
  }
  fail("unknown right in %s", word);
}

static wasi_net_rights rights_of(const char* text) {
  if (strcmp(text, "all") == 0) return ~UINT64_C(0);
  if (strcmp(text, "none") == 0) return 0;
  if (strncmp(text, "0x", 2) == 0) return strtoull(text, NULL, 16);
  wasi_net_rights rights = 0;
  while (*text != '\0') {
    const size_t length = strcspn(text, "+");
    rights |= right_of(text, length);
    text += length;
    if (*text == '+') ++text;
  }
  return rights;
}

static wasi_net_rights rights_option(const char* key, int parent) {
  const char* given = option(key);
  if (given != NULL) return rights_of(given);
  __wasi_fdstat_t stat;
  return __wasi_fd_fdstat_get(parent, &stat) == 0 ? stat.fs_rights_inheriting : 0;
}

static uint32_t number_option(const char* key, uint32_t other) {
  const char* given = option(key);
  return given != NULL ? (uint32_t)strtoul(given, NULL, 0) : other;
}

/* What stands behind `skip` words, unescaped in place; *length its length. */
static char* data_after(int skip, size_t* length) {
  char* at = line_copy;
  for (int i = 0; i < skip; ++i) {
    at += strcspn(at, " ");
    at += strspn(at, " ");
  }
  char* out = at;
  char* const begin = at;
  while (*at != '\0') {
    if (*at != '\\') {
      *out++ = *at++;
    } else if (at[1] == 'x' && at[2] != '\0' && at[3] != '\0') {
      const char digits[3] = {at[2], at[3], '\0'};
      *out++ = (char)strtoul(digits, NULL, 16);
      at += 4;
    } else if (at[1] != '\0') {
      *out++ = at[1] == 'n' ? '\n' : at[1] == 'r' ? '\r' : at[1];
      at += 2;
    } else {
      ++at;
    }
  }
  *length = (size_t)(out - begin);
  return begin;
}

static void print_data(const char* data, size_t length) {
  printf(" data=");
  for (size_t i = 0; i < length; ++i) {
    const unsigned char c = (unsigned char)data[i];
    if (c > ' ' && c < 0x7f && c != '\\') {
      putchar(c);
    } else {
      printf("\\x%02x", c);
    }
  }
}

#endif
