/* Ends with the code that its input says, after a word on each stream. */
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  int code = 0;
  scanf("%d", &code);
  puts("on standard output");
  fputs("on standard error\n", stderr);
  exit(code);
}
