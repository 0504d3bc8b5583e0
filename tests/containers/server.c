/* A server for tests of container functions, in one static program: the first word of the path says what to do.
 *
 *   cc -O2 -static -pthread server.c -o server
 *
 *   /echo            the body back               /sleep/MS        answers after so long
 *   /env/NAME        a variable                  /id              this process's start, as text: who answers
 *   /print/TEXT      prints it                   /exit/N          ends with that status, unanswered
 *   /hang            never answers               /loop            the same, at full speed
 *   /memory          takes all that there is     /forks           processes, until there are no more
 *   /write/PATH      writes there: "done", or why not              /read/PATH       lists or reads it
 *   /connect/HOST/PORT  connects there: "done", or why not         /close           closes without an answer
 *   /call/N          a system call by number: its errno            /status          who it runs as, and its rights
 *   /flood           prints without end           /uneven          an answer that is none
 *   /say             the call's body as the answer, as it is        /buffers         what lies in connections to itself
 *
 * As a command (no PORT is set) it copies its input, with "command: " before it; the word "exit" as its input ends it
 * with 3, "hang" never. Its arguments: `quit N` ends at once with that status; `deaf` listens nowhere; `late MS`
 * listens later; `one` takes one connection at a time. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { head_max = 65536, text_max = 1 << 16 };

static void sleep_ms(long ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

static int send_all(int to, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t sent = send(to, bytes, size, MSG_NOSIGNAL);
    if (sent <= 0) return 0;
    bytes += sent;
    size -= (size_t)sent;
  }
  return 1;
}

static int answer(int to, int status, const char *body, size_t size) {
  char head[200];
  int head_size = snprintf(head, sizeof head,
                           "HTTP/1.1 %d Fine\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nX-Own: yes\r\n\r\n",
                           status, size);
  if (size < 1000) {  /* In one piece. */
    char whole[1200];
    memcpy(whole, head, (size_t)head_size);
    memcpy(whole + head_size, body, size);
    return send_all(to, whole, (size_t)head_size + size);
  }
  return send_all(to, head, (size_t)head_size) && send_all(to, body, size);
}

static void read_path(const char *path, char *text) {
  DIR *folder = opendir(path);
  size_t size = 0;
  if (folder != NULL) {
    for (struct dirent *one; (one = readdir(folder)) != NULL && size < text_max - 300;) {
      size += (size_t)sprintf(text + size, "%s ", one->d_name);
    }
    closedir(folder);
    return;
  }
  int file = open(path, O_RDONLY);
  ssize_t got = file < 0 ? -1 : read(file, text, text_max - 1);
  if (got < 0) sprintf(text, "%s", strerror(errno));
  else text[got] = 0;
  if (file >= 0) close(file);
}

static void connect_to(char *where, char *text) {
  char *slash = strchr(where, '/');
  struct sockaddr_in address = {.sin_family = AF_INET};
  if (slash != NULL) *slash = 0;
  inet_pton(AF_INET, where, &address.sin_addr);
  address.sin_port = htons((unsigned short)(slash == NULL ? 80 : atoi(slash + 1)));
  int to = socket(AF_INET, SOCK_STREAM, 0);
  struct timeval most = {2, 0};
  setsockopt(to, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
  int failed = connect(to, (struct sockaddr *)&address, sizeof address);
  sprintf(text, "%s", failed ? strerror(errno) : "done");
  close(to);
}

static void write_path(const char *path, char *text) {
  int file = open(path, O_WRONLY | O_CREAT, 0600);
  int good = file >= 0 && write(file, "x", 1) == 1;
  sprintf(text, "%s", good ? "done" : strerror(errno));
  if (file >= 0) close(file);
}

static void take_memory(void) {
  for (;;) {
    volatile char *piece = malloc(1 << 20);  /* Or the compiler sees that nobody reads it. */
    if (piece == NULL) continue;
    for (size_t i = 0; i < 1 << 20; i += 4096) piece[i] = 1;
  }
}

/* Fills connections that nobody reads from, as many as it may have; how many bytes they took. */
static long fill_buffers(void) {
  static char piece[1 << 16];
  int most = 64 << 20;
  long bytes = 0;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int server = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(server, SOL_SOCKET, SO_RCVBUF, &most, sizeof most);
  if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 512)) return -1;
  getsockname(server, (struct sockaddr *)&address, &size);
  for (;;) {
    int from = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(from, SOL_SOCKET, SO_SNDBUF, &most, sizeof most);
    if (from < 0 || connect(from, (struct sockaddr *)&address, sizeof address)) return bytes;
    if (accept(server, NULL, NULL) < 0) return bytes;
    for (int idle = 0; idle < 3;) {
      ssize_t sent = send(from, piece, sizeof piece, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) bytes += sent, idle = 0;
      else ++idle, sleep_ms(1);
    }
  }
}

static int fork_all(void) {
  int count = 0;
  for (;; ++count) {
    pid_t child = fork();
    if (child < 0) return count;
    if (child == 0) pause();
  }
}

/* 0: the connection ends. */
static int act(int to, char *path, const char *body, size_t body_size) {
  static char start[64];
  char *text = malloc(text_max);
  if (start[0] == 0) sprintf(start, "%ld", (long)time(NULL) ^ (long)getpid() << 20 ^ (long)clock());
  char *rest = strchr(path + 1, '/');
  if (rest != NULL) *rest++ = 0;
  else rest = path + strlen(path);
  const char *word = path + 1;
  text[0] = 0;
  int status = 200;
  if (strcmp(word, "echo") == 0) {
    free(text);
    return answer(to, 200, body, body_size);
  }
  if (strcmp(word, "sleep") == 0) sleep_ms(atol(rest)), sprintf(text, "slept");
  else if (strcmp(word, "env") == 0) sprintf(text, "%s", getenv(rest) ? getenv(rest) : "(none)");
  else if (strcmp(word, "id") == 0) sprintf(text, "%s", start);
  else if (strcmp(word, "print") == 0) printf("%s\n", rest), fflush(stdout), sprintf(text, "printed");
  else if (strcmp(word, "exit") == 0) _exit(atoi(rest));
  else if (strcmp(word, "hang") == 0) for (;;) pause();
  else if (strcmp(word, "loop") == 0) for (volatile long i = 0;; ++i) continue;
  else if (strcmp(word, "memory") == 0) take_memory();
  else if (strcmp(word, "buffers") == 0) sprintf(text, "%ld", fill_buffers());
  else if (strcmp(word, "say") == 0) {
    free(text);
    return send_all(to, body, body_size);
  } else if (strcmp(word, "forks") == 0) sprintf(text, "%d", fork_all());
  else if (strcmp(word, "write") == 0) rest[-1] = '/', write_path(rest - 1, text);
  else if (strcmp(word, "read") == 0) rest[-1] = '/', read_path(rest - 1, text);
  else if (strcmp(word, "connect") == 0) connect_to(rest, text);
  else if (strcmp(word, "call") == 0) {
    errno = 0;
    syscall(atol(rest), 0, 0, 0, 0, 0, 0);
    sprintf(text, "%d", errno);
  } else if (strcmp(word, "status") == 0) read_path("/proc/self/status", text);
  else if (strcmp(word, "flood") == 0) for (;;) printf("%0100d\n", 7);
  else if (strcmp(word, "uneven") == 0) {
    free(text);
    return send_all(to, "HTTP/1.1 two hundred\r\n\r\n", 24) && 0;
  } else if (strcmp(word, "close") == 0) {
    free(text);
    return 0;
  } else {
    status = 404;
    sprintf(text, "no %s", word);
  }
  int good = answer(to, status, text, strlen(text));
  free(text);
  return good;
}

static void *serve(void *number) {
  int from = (int)(long)number;
  char *head = malloc(head_max + 1);
  size_t size = 0;
  for (;;) {
    char *end = NULL;
    head[size] = 0;
    while ((end = strstr(head, "\r\n\r\n")) == NULL && size < head_max) {
      ssize_t got = recv(from, head + size, head_max - size, 0);
      if (got <= 0) goto done;
      size += (size_t)got;
      head[size] = 0;
    }
    if (end == NULL) goto done;
    size_t head_size = (size_t)(end + 4 - head);
    char *length = strcasestr(head, "\r\nContent-Length:");
    size_t body_size = length != NULL && length < end ? (size_t)atol(length + 17) : 0;
    char *body = malloc(body_size + 1);
    size_t have = size - head_size < body_size ? size - head_size : body_size;
    memcpy(body, head + head_size, have);
    while (have < body_size) {
      ssize_t got = recv(from, body + have, body_size - have, 0);
      if (got <= 0) {
        free(body);
        goto done;
      }
      have += (size_t)got;
    }
    char path[4096] = "/";
    sscanf(head, "%*s %4095[^ ?]", path);
    int goes_on = act(from, path, body, body_size);
    free(body);
    size_t used = head_size + body_size;
    size = size > used ? size - used : 0;
    memmove(head, head + used, size);
    if (!goes_on) break;
  }
done:
  free(head);
  close(from);
  return NULL;
}

static int command(void) {
  static char text[text_max];
  size_t size = fread(text, 1, sizeof text - 1, stdin);
  if (strncmp(text, "exit", 4) == 0) return 3;
  if (strncmp(text, "hang", 4) == 0) for (;;) pause();
  fprintf(stderr, "copying %zu bytes\n", size);
  printf("command: ");
  do fwrite(text, 1, size, stdout);
  while ((size = fread(text, 1, sizeof text, stdin)) > 0);
  return 0;
}

int main(int count, char **words) {
  const char *port = getenv("PORT");
  int one_at_a_time = 0;
  signal(SIGTERM, SIG_DFL);
  if (count > 2 && strcmp(words[1], "quit") == 0) return fprintf(stderr, "I quit\n"), atoi(words[2]);
  if (count > 1 && strcmp(words[1], "deaf") == 0) for (;;) pause();
  if (count > 2 && strcmp(words[1], "late") == 0) sleep_ms(atol(words[2]));
  if (count > 1 && strcmp(words[1], "one") == 0) one_at_a_time = 1;
  if (port == NULL) return command();
  int server = socket(AF_INET, SOCK_STREAM, 0);
  int yes = 1;
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
  if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 512)) return perror("listen"), 1;
  printf("listening on %s\n", port);
  fflush(stdout);
  for (;;) {
    int next = accept(server, NULL, NULL);
    if (next < 0) continue;
    setsockopt(next, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    pthread_t thread;
    if (one_at_a_time) serve((void *)(long)next);
    else if (pthread_create(&thread, NULL, serve, (void *)(long)next) == 0) pthread_detach(thread);
    else close(next);
  }
}
