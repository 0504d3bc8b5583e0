/* Logs as many lines as its input says. */
#include <stdio.h>

int main(void) {
  int lines = 0;
  scanf("%d", &lines);
  for (int i = 1; i <= lines; ++i) fprintf(stderr, "line %d\n", i);
  puts("done");
  return 0;
}
