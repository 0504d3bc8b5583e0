// Does what its input's first word says. Reaches for everything that a function must not have.
#include <canopy.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

static char input[4096];
static char block[65536];

// The imports as they are, for pointers that no compiler would let through.
#define RAW(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(name)))
RAW("fd_write") int raw_fd_write(int fd, unsigned vectors, unsigned count, unsigned written);
RAW("fd_read") int raw_fd_read(int fd, unsigned vectors, unsigned count, unsigned got);
RAW("random_get") int raw_random_get(unsigned at, unsigned size);
RAW("poll_oneoff") int raw_poll(unsigned in, unsigned out, unsigned count, unsigned events);
RAW("clock_time_get") int raw_clock(int id, long long precision, unsigned at);
RAW("environ_get") int raw_environ(unsigned at, unsigned buffer);
RAW("path_open") int raw_open(int fd, int follow, unsigned path, unsigned size, int flags, long long rights,
                              long long inheriting, int fd_flags, unsigned at);
CANOPY_IMPORT("input_read") unsigned raw_input_read(unsigned at, unsigned size, unsigned offset);
CANOPY_IMPORT("output_write") void raw_output_write(unsigned at, unsigned size);
CANOPY_IMPORT("header_set") int raw_header_set(unsigned name, unsigned name_size, unsigned value, unsigned size);
CANOPY_IMPORT("log_write") void raw_log_write(unsigned level, unsigned text, unsigned size);

static int is(const char* word) { return strncmp(input, word, strlen(word)) == 0; }
static const char* rest(void) { return strchr(input, ' ') ? strchr(input, ' ') + 1 : ""; }
static void say(const char* what, long value) {
  char line[200];
  snprintf(line, sizeof line, "%s %ld\n", what, value);
  canopy_print(line);
}

__attribute__((noinline)) static int recurse(volatile int* above) {
  volatile int here = *above + 1;
  return recurse(&here) + here;
}

static void use_memory_without_end(void) {
  for (;;) {
    const int page = __builtin_wasm_memory_grow(0, 16);
    if (page < 0) return say("refused at pages", (long)__builtin_wasm_memory_size(0));
    memset((char*)((unsigned)page << 16), 1, 16 << 16);
  }
}

static void open_without_end(void) {
  for (long i = 0;; ++i) {
    if (open("/tmp", O_RDONLY | O_DIRECTORY) < 0) {
      say("open files", i);
      return say("errno is EMFILE", errno == EMFILE);
    }
  }
}

static void write_without_end(void) {
  const int fd = open("/tmp/large", O_CREAT | O_WRONLY, 0600);
  long size = 0;
  for (;;) {
    const ssize_t put = write(fd, block, sizeof block);
    if (put <= 0) break;
    size += put;
  }
  say("written", size);
  say("errno is ENOSPC", errno == ENOSPC);
  say("a hole of 1 TiB", ftruncate(fd, 1LL << 40));
}

static void many_files(void) {
  char path[40];
  for (long i = 0; i < 1000000; ++i) {
    snprintf(path, sizeof path, "/tmp/%ld", i);
    const int fd = open(path, O_CREAT | O_WRONLY, 0600);
    if (fd < 0) {
      say("files", i);
      return say("errno is ENOSPC", errno == ENOSPC);
    }
    close(fd);
  }
  say("files", 1000000);
}

// Every way to a path that should not be there.
static void read_path(const char* path) {
  const int fd = open(path, O_RDONLY);
  if (fd < 0) return say("no", errno);
  const ssize_t got = read(fd, block, 1000);
  canopy_print("read: ");
  canopy_output_write(block, got > 0 ? (unsigned)got : 0);
}

static void escape(void) {
  mkdir("/tmp/d", 0700);
  const char* const targets[] = {"/etc/shadow", "../../etc/shadow", "../../../../../../proc/self/environ", "/", "..",
                                 "/proc/1/environ"};
  for (unsigned i = 0; i < sizeof targets / sizeof *targets; ++i) {
    unlink("/tmp/d/link");
    const int made = symlink(targets[i], "/tmp/d/link");
    const int fd = open("/tmp/d/link/etc/shadow", O_RDONLY);
    const int other = open("/tmp/d/link", O_RDONLY);
    char got[64] = {0};
    const ssize_t size = other < 0 ? -1 : read(other, got, sizeof got - 1);
    if (fd >= 0 || size > 0) return say(targets[i], 1);
    (void)made;
  }
  unlink("/tmp/a");
  symlink("b", "/tmp/a");
  symlink("a", "/tmp/b");
  if (open("/tmp/a", O_RDONLY) >= 0) return say("a circle", 1);
  if (rename("/tmp/d", "/etc/d") == 0 || link("/etc/passwd", "/tmp/p") == 0) return say("moved", 1);
  if (unlink("/etc/passwd") == 0 || open("/etc/passwd", O_WRONLY) >= 0) return say("written", 1);
  canopy_print("nothing");
}

static void list(const char* path) {
  DIR* const folder = opendir(path);
  if (!folder) return say("no", errno);
  struct dirent* entry;
  while ((entry = readdir(folder))) {
    canopy_print(entry->d_name);
    canopy_print("\n");
  }
}

static void set_headers(void) {
  char name[40];
  long good = 0;
  for (int i = 0; i < 10000; ++i) {
    snprintf(name, sizeof name, "X-Many-%d", i);
    good += canopy_set_header(name, "v") == 0;
  }
  say("set", good);
}

static void inject(void) {
  const char* const values[] = {"a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\rX-Injected: 1", "\r\n\r\n<html>", "a\x7f", "a\x01"};
  for (unsigned i = 0; i < sizeof values / sizeof *values; ++i) say("value", canopy_set_header("X-Value", values[i]));
  const char* const names[] = {"X-A: b\r\nX-Injected", "", "X A", "X\nInjected", "Content-Length", "transfer-encoding",
                               "Connection", "X-Call-Id", "Date", "X\xc3\xa9"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; ++i) say("name", canopy_set_header(names[i], "1"));
  say("nul", canopy_header_set("X-Nul", 5, "a\0b", 3));
  say("content type", canopy_set_header("Content-Type", "text/html\r\nX-Injected: 1"));
}

static void pointers(const char* which) {
  const unsigned far = 0xfffffff0u;
  const unsigned end = (unsigned)__builtin_wasm_memory_size(0) << 16;
  if (!strcmp(which, "wasi")) {  // WASI says EFAULT, or the call ends; nothing else.
    say("write", raw_fd_write(1, far, 1, 0));
    say("write many", raw_fd_write(1, 0, 0xffffffffu, 0));
    ((unsigned*)block)[0] = end - 1;
    ((unsigned*)block)[1] = 2;
    say("write out", raw_fd_write(1, (unsigned)(size_t)block, 1, end - 4));
    say("read out", raw_fd_read(0, (unsigned)(size_t)block, 1, end - 4));
    say("clock", raw_clock(0, 1, end - 7));
    say("environ", raw_environ(far, far));
    say("open", raw_open(3, 0, far, 100, 0, -1, -1, 0, far));
    say("poll", raw_poll(far, far, 1, far));
    say("random", raw_random_get(end - 1, 2));
    say("random 4 GiB", raw_random_get(0, 0xffffffffu));
    say("poll many", raw_poll(0, 0, 0xffffffffu, 0));
    say("poll 1000000", raw_poll(0, 0, 1000000, 0));
  }
  if (!strcmp(which, "output")) raw_output_write(end - 1, 2);
  if (!strcmp(which, "output-far")) raw_output_write(far, 0xffffffffu);
  if (!strcmp(which, "input")) raw_input_read(end - 1, 2, 0);
  if (!strcmp(which, "header")) raw_header_set(far, 100, 0, 1);
  if (!strcmp(which, "log")) raw_log_write(0, end, 1);
  canopy_print("survived");
}

CANOPY_HANDLER(abuse) {
  input[canopy_input_read(input, sizeof input - 1, 0)] = 0;
  if (is("loop")) for (;;) __asm__ volatile("");
  if (is("recurse")) { volatile int start = 0; return recurse(&start); }
  if (is("memory")) use_memory_without_end();
  if (is("output")) for (;;) canopy_output_write(block, sizeof block);
  if (is("stdout")) for (;;) write(1, block, sizeof block);
  if (is("logs")) { for (int i = 0; i < 3000; ++i) write(2, block, sizeof block); canopy_print("done"); }
  if (is("lines")) { for (int i = 0; i < 300000; ++i) canopy_log(CANOPY_INFO, "a line"); canopy_print("done"); }
  if (is("sleep")) for (;;) sleep(1000);
  if (is("open")) open_without_end();
  if (is("write")) write_without_end();
  if (is("many-files")) many_files();
  if (is("read")) read_path(rest());
  if (is("list")) list(rest());
  if (is("escape")) escape();
  if (is("exit")) exit(atoi(rest()));
  if (is("abort")) abort();
  if (is("return")) return atoi(rest());
  if (is("status")) say("status", canopy_status_set((unsigned)atoi(rest())));
  if (is("headers")) set_headers();
  if (is("inject")) inject();
  if (is("pointers")) pointers(rest());
  if (is("bytes")) canopy_output_write("\xff\xfe\xc3\x28\0\x80", 6);
  if (is("control")) canopy_log(CANOPY_ERROR, "\x1b[2J\x1b]0;title\x07\r\n2026-01-01T00:00:00 error forged\x08\xff");
  if (is("null")) *(volatile int*)0xfffffff0u = 1;
  return 0;
}
