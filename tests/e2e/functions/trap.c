/* Stops where it should not: "deep" recurses without end, anything else runs into a trap two calls deep. */
#include <stdio.h>

__attribute__((noinline)) static void stumble(volatile int *steps) {
  if (++*steps > 0) __builtin_trap();
}
__attribute__((noinline)) void walk(volatile int *steps) {
  stumble(steps);
  ++*steps;
}
__attribute__((noinline)) int dig(volatile int *depth) {
  volatile int local[16] = {*depth};
  ++*depth;
  const int below = dig(depth);
  return below + local[below & 15];
}

int main(void) {
  char text[8] = {0};
  fread(text, 1, sizeof text - 1, stdin);
  fprintf(stderr, "about to trap\n");
  volatile int count = 0;
  if (text[0] == 'd') return dig(&count);
  walk(&count);
  return 0;
}
