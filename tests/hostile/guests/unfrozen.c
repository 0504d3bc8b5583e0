// Is initialised before the picture is taken, and says in each call what must not come out of it.
#include <canopy.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static unsigned table[1000];

CANOPY_INIT {
  for (unsigned i = 0; i < 1000; ++i) table[i] = i * i;
}

CANOPY_HANDLER(unfrozen) {
  unsigned char random[16];
  getentropy(random, sizeof random);
  for (int i = 0; i < 16; ++i) {
    char hex[3];
    snprintf(hex, sizeof hex, "%02x", random[i]);
    canopy_print(hex);
  }
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  char line[200];
  const char* const value = getenv("VALUE");
  snprintf(line, sizeof line, " %lld.%09ld %s %u", (long long)now.tv_sec, now.tv_nsec, value ? value : "-", table[999]);
  canopy_print(line);
  return 0;
}
