// What asks, from inside a container that has no shell, whether Canopy there is well. The answer is the status: 0 is yes.
//
//   probe http PORT PATH   the server on this port of 127.0.0.1 answers 200
//   probe joined PORT      a program of this user has a connection to that port: a node that has joined its parent
//   probe listens PORT     a program of this user listens on that port: a balancer that can be joined
//
// It ends after three seconds, whatever happens.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { seconds_max = 3, established = 1, listening = 10 };

static int say(const char* what, const char* why) {
  fprintf(stderr, "probe: %s: %s\n", what, why);
  return 1;
}

static int ask_http(unsigned port, const char* path) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (one < 0 || connect(one, (struct sockaddr*)&address, sizeof address) != 0) return say(path, "nobody listens");
  char text[512];
  const int size = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
  if (size < 0 || size >= (int)sizeof text) return say(path, "the path is too long");
  if (send(one, text, (size_t)size, MSG_NOSIGNAL) != size) return say(path, "the request could not be sent");
  size_t got = 0;
  const size_t wanted = strlen("HTTP/1.1 200");
  while (got < wanted) {
    const ssize_t more = recv(one, text + got, sizeof text - 1 - got, 0);
    if (more <= 0) return say(path, "the connection ended before an answer");
    got += (size_t)more;
  }
  text[got] = '\0';
  if (strncmp(text, "HTTP/1.1 200", wanted) == 0) return 0;
  text[strcspn(text, "\r\n")] = '\0';
  return say(path, text);
}

// The kernel's table of connections: "0: 0100007F:1F90 00000000:0000 0A … uid …", ports in hexadecimal.
static int find(const char* table, unsigned port, unsigned state) {
  FILE* const file = fopen(table, "re");
  if (file == NULL) return 0;
  char line[512];
  int found = 0;
  while (!found && fgets(line, sizeof line, file) != NULL) {
    unsigned local, remote, is, user;
    if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%x %x %*x:%*x %*x:%*x %*x %u", &local, &remote, &is, &user) != 4)
      continue;
    found = is == state && user == (unsigned)getuid() && (state == listening ? local : remote) == port;
  }
  fclose(file);
  return found;
}

int main(int count, char** words) {
  alarm(seconds_max);
  const char* const what = count > 1 ? words[1] : "";
  const long port = count > 2 ? strtol(words[2], NULL, 10) : 0;
  const int known = (count == 4 && strcmp(what, "http") == 0) || (count == 3 && strcmp(what, "joined") == 0) ||
                    (count == 3 && strcmp(what, "listens") == 0);
  if (!known || port < 1 || port > 65535) {
    fprintf(stderr, "usage: probe http PORT PATH | probe joined PORT | probe listens PORT\n");
    return 2;
  }
  if (count == 4) return ask_http((unsigned)port, words[3]);
  const unsigned state = what[0] == 'l' ? listening : established;
  if (find("/proc/net/tcp", (unsigned)port, state) || find("/proc/net/tcp6", (unsigned)port, state)) return 0;
  return say(words[2], state == listening ? "nobody listens there" : "there is no connection to that port");
}
