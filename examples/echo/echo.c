/* Answers what it was sent, with the content type it was sent as. What the request asks for in ?status= is
 * the status of the reply; what comes in X-Echo goes back in X-Echo. */

#include <canopy.h>
#include <stdlib.h>

static char buffer[64 * 1024];

static void echo_header(const char *name) {
  char value[1024];
  const int32_t size = canopy_request_header(name, (uint32_t)strlen(name), value, sizeof value);
  if (size < 0 || size > (int32_t)sizeof value) return;
  canopy_header_set(name, (uint32_t)strlen(name), value, (uint32_t)size);
}

static void echo_status(void) {
  char query[256];
  const int32_t size = canopy_request_get(CANOPY_QUERY, query, sizeof query - 1);
  if (size <= 0 || size >= (int32_t)sizeof query) return;
  query[size] = '\0';
  if (strncmp(query, "status=", 7) == 0) canopy_status_set((uint32_t)atoi(query + 7));
}

CANOPY_HANDLER(echo) {
  echo_header("Content-Type");
  echo_header("X-Echo");
  echo_status();
  const uint32_t size = canopy_input_size();
  for (uint32_t at = 0; at < size;) {
    const uint32_t piece = canopy_input_read(buffer, sizeof buffer, at);
    canopy_output_write(buffer, piece);
    at += piece;
  }
  return 0;
}
