/* Sleeps as many milliseconds as its input says. */
#include <stdio.h>
#include <time.h>

int main(void) {
  long milliseconds = 0;
  scanf("%ld", &milliseconds);
  fprintf(stderr, "resting %ld ms\n", milliseconds);
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  nanosleep(&time, 0);
  puts("rested");
  return 0;
}
