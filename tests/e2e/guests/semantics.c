/* semantics [command...]
 *
 * A tiny command interpreter over the guest API, so that a test can drive every row of docs/guest-api.md call by call:
 * each argument, or else each line of stdin, is one command; each command prints one line
 *
 *   <errno name>[ <out>=<value>]...
 *
 * and flushes it. A word NAME= before a command keeps the fd it makes under that name; where a command takes an fd, a
 * name, a protocol's name or a number is one. Words are separated by spaces; data is what stands behind the other
 * words, to the end of the line, with \n, \r, \\ and \xHH. An unknown command prints "? <the line>"; "#" starts a
 * comment, which prints nothing.
 *
 *   protocol NAME | list | local F | peer F | info F | resolve P NAME
 *   open P ADDRESS [type=N] [flags=N] [base=B] [inh=B]      base, inh: right words with '+', "all", "none", "0x..."
 *   listen C [BACKLOG] | accept C | connect C ADDRESS      the defaults of base and inh: all the parent can give
 *   create K [flags=N] [base=B] [inh=B] | saccept K | uni K | dgram K
 *   sendto C ADDRESS DATA | sendsize C ADDRESS SIZE | recvfrom C N [capacity=N]
 *   restrict F B B | setrights F B B | setopt F OPTION VALUE | getopt F OPTION
 *   read S N | readall S | recv S N [peek] [waitall] | write S DATA | send S DATA | fill S N | shutdown F rd|wr|rdwr
 *   iovs S N SIZE                        reads into N buffers of SIZE bytes
 *   sockaccept C [FLAGS] | close F | renumber F F | fdstat F | setflags F N | filestat F | prestat F | prestatname F
 *   seek F | tell F | pread F | pwrite F | sync F | pathopen F NAME
 *   poll [TIMEOUT_MS] F:r F:w ...        TIMEOUT_MS "-": none; prints how many and each event
 *   polls F N                            one call with N subscriptions for writing
 *   oob CALL F                           the call with each of its pointers out of bounds: fault unless all are
 *   args | environ NAME | clock N | random | exit N | trap | spin
 */
#include "semantics_data.h"
#include "semantics_network.h"
#include "semantics_preview1.h"

static const struct {
  const char* name;
  void (*run)(void);
} commands[] = {
    {"protocol", do_protocol},
    {"list", do_list},
    {"local", do_local},
    {"peer", do_peer},
    {"info", do_info},
    {"resolve", do_resolve},
    {"open", do_open},
    {"listen", do_listen},
    {"accept", do_accept},
    {"connect", do_connect},
    {"create", do_create},
    {"saccept", do_saccept},
    {"uni", do_uni},
    {"dgram", do_dgram},
    {"sendto", do_sendto},
    {"sendsize", do_sendsize},
    {"recvfrom", do_recvfrom},
    {"restrict", do_restrict},
    {"setrights", do_setrights},
    {"setopt", do_setopt},
    {"getopt", do_getopt},
    {"read", do_read},
    {"readall", do_readall},
    {"iovs", do_iovs},
    {"recv", do_recv},
    {"write", do_write},
    {"send", do_send},
    {"fill", do_fill},
    {"shutdown", do_shutdown},
    {"sockaccept", do_sockaccept},
    {"close", do_close},
    {"renumber", do_renumber},
    {"fdstat", do_fdstat},
    {"setflags", do_setflags},
    {"filestat", do_filestat},
    {"prestat", do_prestat},
    {"prestatname", do_prestatname},
    {"seek", do_seek},
    {"tell", do_tell},
    {"sync", do_sync},
    {"pathopen", do_pathopen},
    {"pread", do_pread},
    {"pwrite", do_pwrite},
    {"poll", do_poll},
    {"polls", do_polls},
    {"oob", do_oob},
    {"args", do_args},
    {"environ", do_environ},
    {"clock", do_clock},
    {"random", do_random},
    {"exit", do_exit},
    {"trap", do_trap},
    {"spin", do_spin},
};

static void run(const char* text) {
  static char split[kLine];
  kept_name = NULL;
  const char* name_end = strchr(text, '=');
  const size_t first = strcspn(text, " ");
  static char name[24];
  if (name_end != NULL && (size_t)(name_end - text) + 1 == first && first <= sizeof name) { /* "NAME= command" */
    snprintf(name, first, "%s", text);
    kept_name = name;
    text += first;
    text += strspn(text, " ");
  }
  snprintf(line_copy, sizeof line_copy, "%s", text);
  snprintf(split, sizeof split, "%s", text);
  word_count = 0;
  for (char* word = strtok(split, " "); word != NULL && word_count < kWords; word = strtok(NULL, " ")) {
    words[word_count++] = word;
  }
  if (word_count == 0 || words[0][0] == '#') return;
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; ++i) {
    if (strcmp(words[0], commands[i].name) != 0) continue;
    commands[i].run();
    putchar('\n');
    fflush(stdout);
    return;
  }
  printf("? %s\n", text);
  fflush(stdout);
}

int main(int argc, char** argv) {
  argument_count = argc;
  arguments = argv;
  for (int i = 1; i < argc; ++i) run(argv[i]);
  static char line[kLine];
  while (argc == 1 && fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\r\n")] = '\0';
    run(line);
  }
  return 0;
}
