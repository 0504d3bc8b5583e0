// Asks for all that differs from call to call while it is initialised: no picture may be taken of that.
#include <canopy.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static unsigned char noise[16]; static struct timespec now; static const char* value;

CANOPY_INIT {
  getentropy(noise, sizeof noise); clock_gettime(CLOCK_REALTIME, &now); value = getenv("VALUE");
}

CANOPY_HANDLER(unfrozen) {
  for (int i = 0; i < 16; ++i) {
    char hex[3];
    snprintf(hex, sizeof hex, "%02x", noise[i]);
    canopy_print(hex);
  }
  char line[200];
  snprintf(line, sizeof line, " %lld.%09ld %s %u", (long long)now.tv_sec, now.tv_nsec, value ? value : "-", 998001u);
  canopy_print(line);
  return 0;
}
